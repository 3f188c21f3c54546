/// Codes bytes, bit by bit from the highest, each under several contexts whose opinions are mixed.
///
/// Three mixers choose their weights by different things: by what the caller says the byte is, by how many of the
/// contexts have been here before, and by the bits of the byte so far. A fourth mixes what they say.
package struct ByteModel: Sendable {
  private static let countLimit: UInt32 = 255
  private static let rate = 100
  private static let startWeight: Int32 = 14_418
  private static let surest = 16

  var kindWeights: [Int32]
  var seenWeights: [Int32]
  var pathWeights: [Int32]
  var finalWeights: [Int32]
  private let tables = CodingTables.shared

  /// Makes a model of `inputs` contexts whose bytes are of one of `kinds` kinds.
  package init(kinds: Int, inputs: Int) {
    let set = Array(repeating: Self.startWeight, count: inputs) + [0]
    kindWeights = Array(repeatingLine: set, count: kinds)
    seenWeights = Array(repeatingLine: set, count: 2 * (inputs + 1))
    pathWeights = Array(repeatingLine: set, count: 256)
    finalWeights = Array(repeatingLine: [21_845, 21_845, 21_845, 0], count: kinds)
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
    let tables = tables
    var words = table.words.mutableSpan
    let lines = ContextTable.lines(contexts, above: above, in: &words)
    guard !coder.isRehearsing else {
      ContextTable.rehearse(
        value, lines: lines, limit: Self.countLimit,
        rates: tables.rate.span.extracting(0..<1024), in: &words)
      return value
    }
    var node = 1
    for position in 0..<4 {
      let bit = codeBit(
        value >> (3 &- position) & 1, lines: lines, node: node,
        path: above == 0 ? node : above << position | (node &- 1 << position),
        kind: kind, lower: above == 0 ? 0 : 1, tables: tables, words: &words, coder: &coder)
      node = node << 1 | bit
    }
    return node & 15
  }

  /// Codes one bit at `node` of the lines; `path` is a one followed by the bits of the byte so far.
  @inline(__always)
  private mutating func codeBit<let n: Int>(
    _ value: Int, lines: InlineArray<n, Int>, node: Int, path: Int, kind: Int, lower: Int,
    tables: CodingTables, words: inout MutableSpan<UInt32>, coder: inout BinaryCoder
  ) -> Int {
    let stretch = tables.stretch.span.extracting(0..<65536)
    let squash = tables.squash.span
    var inputs = InlineArray<n, Int32>(repeating: 0)
    var seen = 0
    for index in 0..<n {
      let slot = unsafe words[unchecked: lines[index] | node & 15]
      inputs[index] = Mixing.input(slot, stretch: stretch)
      seen &+= slot & CodingTables.countLimit == 0 ? 0 : 1
    }
    let kindStart = kind &* (n &+ 1)
    let seenStart = (seen &* 2 &+ lower) &* (n &+ 1)
    let pathStart = path &* (n &+ 1)
    let kindSum = Mixing.sum(inputs, weights: kindWeights.span, from: kindStart)
    let seenSum = Mixing.sum(inputs, weights: seenWeights.span, from: seenStart)
    let pathSum = Mixing.sum(inputs, weights: pathWeights.span, from: pathStart)
    let limit = CodingTables.stretchLimit
    let opinions: InlineArray<3, Int32> = [
      Int32(truncatingIfNeeded: kindSum), Int32(truncatingIfNeeded: seenSum),
      Int32(truncatingIfNeeded: pathSum),
    ]
    let sum =
      coder.without.contains(.finalMixer)
      ? (kindSum &+ seenSum &+ pathSum) / 3
      : Mixing.sum(opinions, weights: finalWeights.span, from: kind &* 4)
    let mixed = Int(squash[sum &+ limit])
    let bit = coder.code(
      value, probability: max(Self.surest, min(65536 &- Self.surest, mixed)))
    let rates = tables.rate.span.extracting(0..<1024)
    for index in 0..<n {
      let place = lines[index] | node & 15
      unsafe words[unchecked: place] = AdaptiveBit.updated(
        unsafe words[unchecked: place], bit: bit, limit: Self.countLimit, rates: rates)
    }
    var weights = kindWeights.mutableSpan
    Mixing.learn(
      inputs, weights: &weights, from: kindStart, bit: bit,
      probability: Int(squash[kindSum &+ limit]), rate: Self.rate)
    var others = seenWeights.mutableSpan
    Mixing.learn(
      inputs, weights: &others, from: seenStart, bit: bit,
      probability: Int(squash[seenSum &+ limit]), rate: Self.rate)
    var third = pathWeights.mutableSpan
    Mixing.learn(
      inputs, weights: &third, from: pathStart, bit: bit,
      probability: Int(squash[pathSum &+ limit]), rate: Self.rate)
    guard !coder.without.contains(.finalMixer) else { return bit }
    var last = finalWeights.mutableSpan
    Mixing.learn(
      opinions, weights: &last, from: kind &* 4, bit: bit, probability: mixed, rate: 14)
    return bit
  }
}
