/// Codes bytes that no cover reaches: from what stands before them, and from where that stood before.
package struct InsertModel: Sendable {
  private static let matchOrder = 5
  private static let longest = 31

  private var bytes = ByteModel(kinds: 16, inputs: 8)
  /// Where the last bytes stood last: in the base, or behind it in the target.
  private var places: [UInt32]
  private var match = 0
  private var matched = 0
  private let baseCount: Int
  private let shift: UInt64

  /// Starts before the first byte of a target made from `base`, with 2^`bits` places to remember.
  package init(bits: Int, base: Span<UInt8>, indexesBase: Bool) {
    places = Array(repeating: 0, count: 1 << bits)
    let shift = UInt64(64 - bits)
    self.shift = shift
    baseCount = base.count
    guard indexesBase else { return }
    var index = places.mutableSpan
    for end in Self.matchOrder..<max(Self.matchOrder, base.count) {
      index[Self.slot(base, end, shift)] = UInt32(truncatingIfNeeded: end)
    }
  }

  /// Codes the byte at `place` of the target; `diagonal` is that of the cover before.
  package mutating func code(
    _ byte: UInt8, at place: Int, diagonal: Int, target: Span<UInt8>, base: Span<UInt8>,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    findMatch(place, target: target, base: base)
    let expected =
      matched > 0 ? (match < baseCount ? base.byte(match) : target.byte(match &- baseCount)) : 0
    let length = min(matched, Self.longest)
    let order4 = Int(target.word(place &- 4))
    let beside = base.byte(place &+ diagonal)
    let result = codeByte(
      byte, order4: order4, expected: expected, length: length, beside: beside, at: place,
      target: target, table: &table, coder: &coder)
    if matched > 0 && expected == Int(result) {
      match &+= 1
      matched &+= 1
    } else {
      matched = 0
    }
    return result
  }

  @inline(__always)
  private mutating func codeByte(
    _ byte: UInt8, order4: Int, expected: Int, length: Int, beside: Int, at place: Int,
    target: Span<UInt8>, table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let last = order4 >> 24
    let contexts: InlineArray<8, ContextHash> = [
      ContextHash(40).with(last),
      ContextHash(41).with(order4 >> 16),
      ContextHash(42).with(order4 >> 8),
      ContextHash(43).with(order4),
      ContextHash(44).with(expected).with(length),
      ContextHash(45).with(beside).with(last),
      ContextHash(46).with(target.byte(place &- 8)).with(place & 7),
      ContextHash(47).with(target.byte(place &- 4)).with(target.byte(place &- 8)).with(last),
    ]
    return bytes.code(
      byte, contexts: contexts, kind: length >> 1, table: &table, coder: &coder)
  }

  /// Learns from `windows` of the base how bytes follow each other around the places where bytes are
  /// inserted.
  package mutating func rehearse(
    _ windows: [Range<Int>], base: Span<UInt8>, table: inout ContextTable,
    coder: inout BinaryCoder
  ) {
    coder.isRehearsing = true
    for window in windows {
      for place in window {
        let order4 = Int(base.word(place &- 4))
        _ = codeByte(
          base[place], order4: order4, expected: 0, length: 0, beside: 0, at: place, target: base,
          table: &table, coder: &coder)
      }
    }
    coder.isRehearsing = false
  }

  /// Forgets the match: the bytes that come next do not follow those before.
  package mutating func interrupt() { matched = 0 }

  private mutating func findMatch(_ place: Int, target: Span<UInt8>, base: Span<UInt8>) {
    guard place >= Self.matchOrder else { return }
    let slot = Self.slot(target, place, shift)
    if matched == 0 {
      match = Int(places[slot])
      matched = match > 0 ? 1 : 0
    }
    places[slot] = UInt32(truncatingIfNeeded: baseCount &+ place)
  }

  @inline(__always)
  private static func slot(_ bytes: Span<UInt8>, _ end: Int, _ shift: UInt64) -> Int {
    let hash =
      (UInt64(bytes.word(end &- 4)) << 8 | UInt64(bytes.byte(end &- 5)))
      &* 0x9e37_79b9_7f4a_7c15
    return Int(hash >> shift)
  }
}
