/// Codes bytes that no cover has and that are no code.
///
/// They are foretold from the bytes before, from what followed the same five bytes elsewhere in base or
/// target, from the columns of a table, and from the base along the diagonal of the cover before.
struct PlainInsertModel: Sendable {
  private static let matchOrder = 5
  private static let lengthLimit = 31

  private var bytes = ByteModel(kinds: 128, inputs: 15)
  /// For a hash of five bytes where they were last seen: in the base, or behind it in the target.
  private var places: [UInt32]
  private let shift: UInt64
  private let baseCount: Int
  private var match = 0
  private var matched = 0

  /// What is known about the place of a byte.
  struct Traits {
    /// Number of the section's role.
    var role = 0
    /// Bytes of a record, as far as known; 8 otherwise.
    var period = 8
    /// Where the byte stands in its unit.
    var offset = 0
    /// What the byte is if it follows from the record before, else -1.
    var guess = -1
    /// The diagonal of the cover before.
    var diagonal = 0
  }

  /// Indexes `base` if `indexesBase`; its table has 2^`bits` places.
  init(bits: Int, base: Span<UInt8>, indexesBase: Bool) {
    let shift = UInt64(64 - bits)
    self.shift = shift
    baseCount = base.count
    places = Array(repeating: 0, count: 1 << bits)
    guard indexesBase, base.count > Self.matchOrder else { return }
    var spots = places.mutableSpan
    for place in Self.matchOrder..<base.count {
      spots[Self.slot(base, place, shift)] = UInt32(truncatingIfNeeded: place)
    }
  }

  /// Forgets the match: the bytes that come next do not follow those before.
  mutating func interrupt() { matched = 0 }

  /// Codes the byte at `place`.
  mutating func code(
    _ byte: UInt8, at place: Int, _ traits: Traits, target: Span<UInt8>, base: Span<UInt8>,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    findMatch(place, target: target)
    let expected =
      matched > 0
      ? (match < baseCount ? base.byte(match) : target.byte(match &- baseCount)) : 0
    let length = min(matched, Self.lengthLimit)
    let result = codeByte(
      byte, at: place, traits, expected: expected, length: length, target: target, base: base,
      table: &table, coder: &coder)
    if matched > 0 && Int(result) == expected {
      match &+= 1
      matched &+= 1
    } else {
      matched = 0
    }
    return result
  }

  private mutating func codeByte(
    _ byte: UInt8, at place: Int, _ traits: Traits, expected: Int, length: Int,
    target: Span<UInt8>, base: Span<UInt8>, table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let word = Int(target.word(place &- 4))
    let one = word >> 24
    let period = traits.period
    let column = traits.offset % period
    let above = target.byte(place &- period)
    let aboveThat = target.byte(place &- 2 &* period)
    let aboveLeft = target.byte(place &- period &- 1)
    let beside = base.byte(place &+ traits.diagonal)
    let role = traits.role
    let contexts: InlineArray<15, ContextHash> = [
      ContextHash(60).with(role << 8 | column),
      ContextHash(61).with(one).with(role),
      ContextHash(62).with(word >> 16),
      ContextHash(63).with(word >> 8),
      ContextHash(64).with(word),
      ContextHash(65).with(word).with(target.byte(place &- 5) << 8 | target.byte(place &- 6)),
      ContextHash(66).with(expected << 8 | length),
      ContextHash(67).with(expected << 8 | one).with(min(length, 3)),
      ContextHash(68).with(above << 8 | column),
      ContextHash(69).with(above << 16 | one << 8 | aboveLeft).with(column),
      ContextHash(70).with((2 &* above &- aboveThat) & 255).with(column),
      ContextHash(71).with(beside << 8 | one),
      ContextHash(72).with(beside << 8 | base.byte(place &+ traits.diagonal &+ 1)).with(length),
      ContextHash(73).with(column << 8 | one).with(role),
      ContextHash(74).with(traits.guess << 8 | column).with(role),
    ]
    let bucket = length == 0 ? 0 : length < 16 ? 1 : length < 31 ? 2 : 3
    return bytes.code(
      byte, contexts: contexts, kind: role << 2 | bucket, table: &table, coder: &coder)
  }

  private mutating func findMatch(_ place: Int, target: Span<UInt8>) {
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
