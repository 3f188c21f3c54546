/// Codes single decisions, each under several contexts whose opinions are mixed.
///
/// Contexts are hashed into one table without a check: flags have few contexts, and a rare collision
/// costs less than telling it apart.
package struct FlagModel: Sendable {
  private static let countLimit: UInt32 = 1022
  private static let rate = 70
  private static let startWeight: Int32 = 19_661

  var slots: [UInt32]
  var mixer: Mixer
  let shift: UInt64
  private let tables = CodingTables.shared

  /// Makes room for 2^`bits` slots and `sets` sets of weights over `inputs` contexts.
  package init(bits: Int, sets: Int, inputs: Int) {
    slots = Array(repeating: AdaptiveBit.unseen, count: 1 << bits)
    shift = UInt64(64 - bits)
    var set = Array(repeating: Self.startWeight, count: inputs)
    set.append(0)
    mixer = Mixer(set, sets: sets)
  }

  /// Codes one flag with the weights of `set`.
  package mutating func code<let n: Int>(
    _ flag: Bool, contexts: InlineArray<n, ContextHash>, set: Int, coder: inout BinaryCoder
  ) -> Bool {
    var places = InlineArray<n, Int>(repeating: 0)
    var inputs = Mixer.Inputs(repeating: 0)
    for index in 0..<n {
      let hash = contexts[index].with(index).value &* 0x9e37_79b9_7f4a_7c15
      // A place is what is left of 64 bits after a shift by `shift`: below the number of slots.
      let place = Int(truncatingIfNeeded: hash &>> shift)
      places[index] = place
      inputs[index] = Mixer.input(unsafe slots.span[unchecked: place], tables)
    }
    inputs[n] = Mixer.bias
    let (said, width) = (inputs.span, n &+ 1)
    let sum = mixer.sum(said, width, set: set)
    let probability = Int(tables.squash[sum &+ CodingTables.stretchLimit])
    let bit = coder.code(flag ? 1 : 0, probability: probability)
    mixer.learn(said, width, set: set, bit: bit, probability: probability, rate: Self.rate)
    let tables = tables
    var memory = slots.mutableSpan
    let seen = places.span
    for index in 0..<n {
      let place = unsafe seen[unchecked: index]
      unsafe memory[unchecked: place] = AdaptiveBit.updated(
        unsafe memory[unchecked: place], bit: bit, limit: Self.countLimit, rates: tables.rate)
    }
    return bit != 0
  }
}
