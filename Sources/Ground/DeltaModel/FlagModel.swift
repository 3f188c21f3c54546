/// Codes single decisions, each under several contexts whose opinions are mixed.
///
/// Contexts are hashed into one table without a check: flags have few contexts, and a rare collision
/// costs less than telling it apart.
package struct FlagModel: Sendable {
  private static let countLimit: UInt32 = 1022
  private static let rate = 70
  private static let startWeight: Int32 = 19_661

  var slots: [UInt32]
  var weights: [Int32]
  private let tables = CodingTables.shared
  private let stride: Int
  let shift: UInt64

  /// Makes room for 2^`bits` slots and `sets` sets of weights over `inputs` contexts.
  package init(bits: Int, sets: Int, inputs: Int) {
    slots = Array(repeating: AdaptiveBit.unseen, count: 1 << bits)
    stride = inputs + 1
    shift = UInt64(64 - bits)
    var set = Array(repeating: Self.startWeight, count: inputs)
    set.append(0)
    weights = Array(repeatingLine: set, count: sets)
  }

  /// Codes one flag with the weights of `set`.
  package mutating func code<let n: Int>(
    _ flag: Bool, contexts: InlineArray<n, ContextHash>, set: Int, coder: inout BinaryCoder
  ) -> Bool {
    let tables = tables
    var places = InlineArray<n, Int>(repeating: 0)
    for index in 0..<n {
      let hash = contexts[index].with(index).value &* 0x9e37_79b9_7f4a_7c15
      places[index] = Int(truncatingIfNeeded: hash >> shift)
    }
    var inputs = InlineArray<n, Int32>(repeating: 0)
    read(places, into: &inputs, tables: tables)
    let start = set &* stride
    let sum = Mixing.sum(inputs, weights: weights.span, from: start)
    let probability = Int(tables.squash[sum &+ CodingTables.stretchLimit])
    let bit = coder.code(flag ? 1 : 0, probability: probability)
    var weights = weights.mutableSpan
    Mixing.learn(
      inputs, weights: &weights, from: start, bit: bit, probability: probability, rate: Self.rate)
    update(places, bit: bit, tables: tables)
    return bit != 0
  }

  @inline(__always)
  private func read<let n: Int>(
    _ places: InlineArray<n, Int>, into inputs: inout InlineArray<n, Int32>, tables: CodingTables
  ) {
    let slots = slots.span
    let stretch = tables.stretch.span.extracting(0..<65536)
    for index in 0..<n {
      // A place is what is left of 64 bits after a shift by `shift`: below the number of slots.
      inputs[index] = Mixing.input(unsafe slots[unchecked: places[index]], stretch: stretch)
    }
  }

  @inline(__always)
  private mutating func update<let n: Int>(
    _ places: InlineArray<n, Int>, bit: Int, tables: CodingTables
  ) {
    var slots = slots.mutableSpan
    let rates = tables.rate.span.extracting(0..<1024)
    for index in 0..<n {
      let place = places[index]
      unsafe slots[unchecked: place] = AdaptiveBit.updated(
        unsafe slots[unchecked: place], bit: bit, limit: Self.countLimit, rates: rates)
    }
  }
}
