/// Codes bytes, bit by bit from the highest, each under several contexts whose opinions are mixed.
///
/// Three mixers choose their weights by different things: by what the caller says the byte is, by how many of the
/// contexts have been here before, and by the bits of the byte so far. A fourth mixes what they say.
package struct ByteModel: Sendable {
  private static let countLimit: UInt32 = 255
  private static let rate = 100
  private static let finalRate = 14
  private static let startWeight: Int32 = 14_418
  private static let surest = 16

  var kindMixer: Mixer
  var seenMixer: Mixer
  var pathMixer: Mixer
  var finalMixer: Mixer
  private let tables = CodingTables.shared

  /// Makes a model of `inputs` contexts whose bytes are of one of `kinds` kinds.
  package init(kinds: Int, inputs: Int) {
    let set = Array(repeating: Self.startWeight, count: inputs) + [0]
    kindMixer = Mixer(set, sets: kinds)
    seenMixer = Mixer(set, sets: 2 * (inputs + 1))
    pathMixer = Mixer(set, sets: 256)
    finalMixer = Mixer([21_845, 21_845, 21_845, 0], sets: kinds)
  }

  /// Codes one byte of `kind`; the contexts find their memory in `table`.
  package mutating func code<let n: Int>(
    _ byte: UInt8, contexts: InlineArray<n, ContextHash>, kind: Int, table: inout ContextTable,
    coder: inout BinaryCoder
  ) -> UInt8 {
    let high = half(
      Int(byte >> 4), above: 0, contexts: contexts, kind: kind, table: &table, coder: &coder)
    let low = half(
      Int(byte & 15), above: high &+ 16, contexts: contexts, kind: kind, table: &table,
      coder: &coder)
    return UInt8(truncatingIfNeeded: high << 4 | low)
  }

  /// Codes four bits; `above` is 0 for the upper half, 16 and the upper half for the lower.
  @inline(__always)
  private mutating func half<let n: Int>(
    _ value: Int, above: Int, contexts: InlineArray<n, ContextHash>, kind: Int,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> Int {
    var words = table.words.mutableSpan
    let lines = ContextTable.lines(contexts, above: above, in: &words)
    guard !coder.isRehearsing else {
      ContextTable.rehearse(
        value, lines: lines, limit: Self.countLimit,
        rates: tables.rate, in: &words)
      return value
    }
    var node = 1
    for position in 0..<4 {
      let bit = codeBit(
        value >> (3 &- position) & 1, lines: lines, node: node,
        path: above == 0 ? node : above << position | (node &- 1 << position),
        kind: kind, lower: above == 0 ? 0 : 1, words: &words, coder: &coder)
      node = node << 1 | bit
    }
    return node & 15
  }

  /// Codes one bit at `node` of the lines; `path` is a one followed by the bits of the byte so far.
  @inline(__always)
  private mutating func codeBit<let n: Int>(
    _ value: Int, lines: InlineArray<n, Int>, node: Int, path: Int, kind: Int, lower: Int,
    words: inout MutableSpan<UInt32>, coder: inout BinaryCoder
  ) -> Int {
    let squash = tables.squash
    // Through a span: loops would copy all of them each time.
    let lines = lines.span
    var inputs = Mixer.Inputs(repeating: 0)
    var seen = 0
    for index in 0..<n {
      let slot = unsafe words[unchecked: lines[unchecked: index] | node & 15]
      inputs[index] = Mixer.input(slot, tables)
      // One where the count is not zero: it has ten bits, and a choice would be foretold badly.
      seen &+= Int(((slot & CodingTables.countLimit) &+ CodingTables.countLimit) >> 10)
    }
    inputs[n] = Mixer.bias
    let (said, width) = (inputs.span, n &+ 1)
    let seenSet = seen &* 2 &+ lower
    let kindSum = kindMixer.sum(said, width, set: kind)
    let seenSum = seenMixer.sum(said, width, set: seenSet)
    let pathSum = pathMixer.sum(said, width, set: path)
    let limit = CodingTables.stretchLimit
    let opinions = Mixer.opinions(kindSum, seenSum, pathSum)
    let sum =
      coder.without.contains(.finalMixer)
      ? (kindSum &+ seenSum &+ pathSum) / 3 : finalMixer.sum(opinions.span, 4, set: kind)
    let mixed = Int(squash[sum &+ limit])
    let bit = coder.code(
      value, probability: max(Self.surest, min(65536 &- Self.surest, mixed)))
    for index in 0..<n {
      let place = unsafe lines[unchecked: index] | node & 15
      unsafe words[unchecked: place] = AdaptiveBit.updated(
        unsafe words[unchecked: place], bit: bit, limit: Self.countLimit, rates: tables.rate)
    }
    kindMixer.learn(
      said, width, set: kind, bit: bit, probability: Int(squash[kindSum &+ limit]), rate: Self.rate)
    seenMixer.learn(
      said, width, set: seenSet, bit: bit, probability: Int(squash[seenSum &+ limit]),
      rate: Self.rate)
    pathMixer.learn(
      said, width, set: path, bit: bit, probability: Int(squash[pathSum &+ limit]), rate: Self.rate)
    guard !coder.without.contains(.finalMixer) else { return bit }
    finalMixer.learn(
      opinions.span, 4, set: kind, bit: bit, probability: mixed, rate: Self.finalRate)
    return bit
  }
}
