internal import Bytes
internal import DeltaEncoder
internal import DeltaModel
internal import Glibc

/// Learns from pairs of files what the models of a delta had better know beforehand.
struct PriorTrainer {
  /// How many adaptive bits are given a start: those that save most.
  private static let mostSlots = 5000
  /// Rounds in which weights are learned.
  private static let rounds = 4
  /// A weight has to move in so many pairs to be given a start.
  private static let leastPairs = 2
  /// A pair of which the delta has so many bytes counts 1; a larger one less, a smaller one more.
  private static let usualSize = (middle: 300.0, least: 60.0)

  private let pairs: [TrainingPair]
  /// By pair and model, what the adaptive bits have seen in a delta that begins with nothing.
  private let seen: [[[UInt32: Sighting]]]
  /// By pair, the size in bytes of a delta that begins with nothing.
  let sizes: [Double]

  /// Looks at `pairs`.
  init(_ pairs: [TrainingPair]) throws(FormatError) {
    self.pairs = pairs
    var seen: [[[UInt32: Sighting]]] = []
    var sizes: [Double] = []
    for pair in pairs {
      let (states, cost) = try pair.code(prior: .none, isLearning: true)
      sizes.append(Self.bytes(cost))
      // What is to be smallest is the mean of the relative sizes; but large pairs have seen more.
      let weight = (Self.usualSize.middle / max(Self.usualSize.least, Self.bytes(cost)))
        .squareRoot()
      seen.append(Self.sightings(states, weight: weight))
    }
    self.seen = seen
    self.sizes = sizes
  }

  /// Returns the prior that the pairs with the given indices teach, as it will be stored.
  func prior(of indices: [Int]) throws(FormatError) -> DeltaPrior {
    var prior = try DeltaPrior(parsing: slots(indices).encoded)
    for _ in 0..<Self.rounds { try learnWeights(&prior, indices) }
    return try DeltaPrior(parsing: prior.encoded)
  }

  /// The size in bytes of the delta of a pair that begins with `prior`.
  func size(_ index: Int, with prior: DeltaPrior) throws(FormatError) -> Double {
    Self.bytes(try pairs[index].code(prior: prior).cost)
  }

  private static func bytes(_ cost: UInt64) -> Double { Double(cost) / 524_288 }

  private static func sightings(
    _ states: [TrainedState], weight: Double
  ) -> [[UInt32: Sighting]] {
    states.map { state in
      guard !state.slots.isEmpty else { return [:] }
      let shift = DeltaPrior.keyBits - state.slots.count.trailingZeroBitCount
      var seen: [UInt32: Sighting] = [:]
      for (index, slot) in state.slots.enumerated() {
        if let sighting = Sighting(slot, weight: weight) { seen[UInt32(index << shift)] = sighting }
      }
      return seen
    }
  }

  /// Fits starts of adaptive bits to what was seen in the pairs, and keeps those that save most.
  private func slots(_ indices: [Int]) -> DeltaPrior {
    var found: [(gain: Double, model: Int, key: UInt32, state: UInt32)] = []
    for model in TrainedModel.allCases.indices {
      var all: [UInt32: [Sighting]] = [:]
      for index in indices {
        for (key, sighting) in seen[index][model] { all[key, default: []].append(sighting) }
      }
      for (key, sightings) in all {
        guard let best = SlotFit.best(sightings) else { continue }
        found.append((best.gain, model, key, best.state))
      }
    }
    found.sort { ($1.gain, $0.model, $0.key) < ($0.gain, $1.model, $1.key) }
    var prior = DeltaPrior.none
    for entry in found.prefix(Self.mostSlots).sorted(by: { $0.key < $1.key }) {
      prior.starts[entry.model].slots.append((entry.key, entry.state))
    }
    return prior
  }

  /// Moves the weights with which models start to where they end, on average over the pairs.
  private func learnWeights(
    _ prior: inout DeltaPrior, _ indices: [Int]
  ) throws(FormatError) {
    let before = TrainingPair.startWeights(prior)
    var moved = before.map { Array(repeating: (sum: 0.0, pairs: 0), count: $0.count) }
    for index in indices {
      for (model, state) in try pairs[index].code(prior: prior).states.enumerated() {
        for (place, weight) in state.weights.enumerated() where weight != before[model][place] {
          moved[model][place].sum += Double(weight - before[model][place])
          moved[model][place].pairs += 1
        }
      }
    }
    for model in before.indices {
      var known: [Int: Int32] = [:]
      for (place, value) in prior.starts[model].weights { known[place] = value }
      for (place, move) in moved[model].enumerated() where move.pairs >= Self.leastPairs {
        // One pair more, in which it stays: what few pairs have seen is believed less.
        known[place] = before[model][place] + Int32(move.sum / Double(move.pairs + 1))
      }
      prior.starts[model].weights = known.sorted { $0.key < $1.key }
        .map { (place: $0.key, value: $0.value) }
    }
  }
}
