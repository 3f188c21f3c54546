/// What the models of a delta know before they have seen any of it.
///
/// Trained on pairs of files that no benchmark measures (`tools/train-prior`), and part of the format: a
/// delta can only be decoded with the prior that it was made with, and its codec says which
/// (docs/format.md, "Delta codec 1: prior").
package struct DeltaPrior: Sendable, Equatable {
  /// The start of one model.
  package struct Start: Sendable, Equatable {
    /// Adaptive bits that are known, by the uppermost `keyBits` bits of the hash that leads to them.
    package var slots: [(key: UInt32, state: UInt32)] = []
    /// Weights of its mixers that differ, by their place among all of them.
    package var weights: [(place: Int, value: Int32)] = []

    /// Knows nothing.
    package init() {}

    package static func == (left: Start, right: Start) -> Bool {
      left.slots.elementsEqual(right.slots, by: ==)
        && left.weights.elementsEqual(right.weights, by: ==)
    }
  }

  /// Bits of the keys of slots: as many as the largest table of flags has.
  package static let keyBits = 18

  /// By the number of the model.
  package var starts: [Start]

  /// A prior without any knowledge.
  package static let none = DeltaPrior(starts: TrainedModel.allCases.map { _ in Start() })

  /// The start of `model`.
  package subscript(_ model: TrainedModel) -> Start { starts[model.rawValue] }
}

/// The models that a prior gives a start, by their number in it.
///
/// The numbers are part of the format; a model that is not here always starts with nothing.
package enum TrainedModel: Int, CaseIterable, Sendable {
  case frameFlags = 0
  case frameNumbers = 1
  case gaps = 2
  case counts = 3
  case jumps = 4
  case courses = 5
  case blocks = 6
  case fields = 7
  case bytes = 8
  case heads = 9
  case addresses = 10
  case changedBytes = 11
  case newData = 12
  case newCode = 13
  case words = 14
  case renamings = 15
  case runs = 16
}

extension FlagModel {
  /// Takes up what is known.
  mutating func start(_ start: DeltaPrior.Start) {
    let shift = Int(shift) - (64 - DeltaPrior.keyBits)
    for (key, state) in start.slots { slots[Int(key) >> shift] = state }
    for (place, value) in start.weights {
      var rest = place
      _ = mixer.put(value, at: &rest)
    }
  }
}

extension ByteModel {
  /// Takes up what is known: weights by kind, by what was seen, by path, and the final ones.
  mutating func start(_ start: DeltaPrior.Start) {
    for (place, value) in start.weights {
      var rest = place
      _ =
        kindMixer.put(value, at: &rest) || seenMixer.put(value, at: &rest)
        || pathMixer.put(value, at: &rest) || finalMixer.put(value, at: &rest)
    }
  }
}

extension FrontMatterModel {
  /// Gives the models of the frame their start.
  mutating func start(_ prior: DeltaPrior) {
    flags.start(prior[.frameFlags])
    numbers.flags.start(prior[.frameNumbers])
  }
}

extension CoverModel {
  /// Gives the models of covers their start.
  mutating func start(_ prior: DeltaPrior) {
    gaps.flags.start(prior[.gaps])
    counts.flags.start(prior[.counts])
    jumps.flags.start(prior[.jumps])
    choices.start(prior[.courses])
  }
}

extension CopyModel {
  /// Gives the models of covered bytes their start.
  mutating func start(_ prior: DeltaPrior) {
    blockFlags.start(prior[.blocks])
    fieldFlags.start(prior[.fields])
    byteFlags.start(prior[.bytes])
    renamedFlags.start(prior[.renamings])
    addresses.start(prior[.addresses])
    bytes.start(prior[.changedBytes])
  }
}

extension DeltaBody {
  /// Gives the models of contents their start.
  mutating func start(_ prior: DeltaPrior) {
    copies.start(prior)
    numbers.flags.start(prior[.heads])
    plain.bytes.start(prior[.newData])
    plain.runFlags.start(prior[.runs])
    code?.bytes.start(prior[.newCode])
    words?.bytes.start(prior[.words])
  }
}
