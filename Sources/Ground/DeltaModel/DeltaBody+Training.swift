package import Bytes
package import CodeReferences

/// What a model has become after it has coded a delta.
package struct TrainedState: Sendable {
  /// The adaptive bits of a model of flags; none of a model of bytes.
  package var slots: [UInt32] = []
  /// The weights of all its mixers.
  package var weights: [Int32] = []
}

extension FlagModel {
  var state: TrainedState { TrainedState(slots: slots, weights: mixer.weights) }
}

extension ByteModel {
  var state: TrainedState {
    TrainedState(
      weights: kindMixer.weights + seenMixer.weights + pathMixer.weights + finalMixer.weights)
  }
}

extension DeltaBody {
  /// Returns what the models of a body become that codes `target`, by their numbers in a prior, and what
  /// the body costs in 1/65536 bits.
  package static func train(
    base: [UInt8], target: [UInt8], covers: [Cover], front: FrontMatter, fields: FieldMap,
    header: DeltaHeader, prior: DeltaPrior, tableBits: Int?
  ) throws(FormatError) -> (states: [TrainedState], cost: UInt64) {
    var coder = BinaryCoder()
    coder.book = CostBook()
    var body = try DeltaBody(
      coder: coder, header: header, base: base, fields: fields, known: (front, covers),
      prior: prior, tableBits: tableBits)
    var output: [UInt8] = Array(repeating: 0, count: target.count)
    var bytes = output.mutableSpan
    try body.codeContents(base: base.span, truth: target.span, output: &bytes)
    let cost = (body.coder.book?.entries ?? []).reduce(0) { $0 + $1.cost }
    return (TrainedModel.allCases.map { body.state(of: $0) }, cost)
  }

  private func state(of model: TrainedModel) -> TrainedState {
    switch model {
    case .frameFlags: frontModel.flags.state
    case .frameNumbers: frontModel.numbers.flags.state
    case .gaps: coverModel.gaps.flags.state
    case .counts: coverModel.counts.flags.state
    case .jumps: coverModel.jumps.flags.state
    case .courses: coverModel.choices.state
    case .blocks: copies.blockFlags.state
    case .fields: copies.fieldFlags.state
    case .bytes: copies.byteFlags.state
    case .heads: numbers.flags.state
    case .addresses: copies.addresses.state
    case .changedBytes: copies.bytes.state
    case .newData: plain.bytes.state
    case .newCode: code?.bytes.state ?? TrainedState()
    case .words: words?.bytes.state ?? TrainedState()
    case .renamings: copies.renamedFlags.state
    case .runs: plain.runFlags.state
    }
  }
}

extension DeltaBody {
  /// The weights with which the models of a body start that are given `prior`, by their numbers.
  package static func startWeights(_ prior: DeltaPrior) -> [[Int32]] {
    var copies = CopyModel(bits: 10)
    copies.start(prior)
    var covers = CoverModel(starts: FieldMap.none.starts, targetSize: 0, baseSize: 0)
    covers.start(prior)
    var front = FrontMatterModel()
    front.start(prior)
    var code = CodeInsertModel(bits: 10)
    code.bytes.start(prior[.newCode])
    var words = WordCode(machine: 183).map { WordModel(code: $0, bits: 10) }
    words?.bytes.start(prior[.words])
    let nothing: [UInt8] = []
    var plain = PlainInsertModel(bits: 10, base: nothing, indexing: [])
    plain.bytes.start(prior[.newData])
    var heads = NumberModel(contexts: 1)
    heads.flags.start(prior[.heads])
    return TrainedModel.allCases.map { model in
      switch model {
      case .frameFlags: front.flags.mixer.weights
      case .frameNumbers: front.numbers.flags.mixer.weights
      case .gaps: covers.gaps.flags.mixer.weights
      case .counts: covers.counts.flags.mixer.weights
      case .jumps: covers.jumps.flags.mixer.weights
      case .courses: covers.choices.mixer.weights
      case .blocks: copies.blockFlags.mixer.weights
      case .fields: copies.fieldFlags.mixer.weights
      case .bytes: copies.byteFlags.mixer.weights
      case .heads: heads.flags.mixer.weights
      case .addresses: copies.addresses.state.weights
      case .changedBytes: copies.bytes.state.weights
      case .newData: plain.bytes.state.weights
      case .newCode: code.bytes.state.weights
      case .words: words?.bytes.state.weights ?? []
      case .renamings: copies.renamedFlags.mixer.weights
      case .runs: plain.runFlags.mixer.weights
      }
    }
  }
}
