internal import CodeReferences

/// Codes bytes that no cover has and that are no code.
///
/// They are foretold from the bytes before, from what followed the same five bytes elsewhere in base or
/// target, from the columns of a table, from the line before and the word in progress, and from the
/// base along the diagonal of the cover before. Where much has followed what it followed elsewhere, one
/// flag stands for a whole run of bytes.
struct PlainInsertModel: Sendable {
  private static let matchOrder = 5
  private static let lengthLimit = 31
  /// A match that is found counts as at most so long.
  private static let lookedAt = 32
  /// Bytes that one flag can stand for, and how long a match must be for that.
  package static let runCount = 64
  private static let sureLength = 32

  var bytes = ByteModel(kinds: 128, inputs: 23)
  /// For a hash of five bytes where they were last seen: in the base, or behind it in the target.
  private var places: [UInt32] = []
  /// The same as long as an assistant may be filling it.
  private var indexing: Errand<[UInt32]>?
  private let shift: UInt64
  private let baseCount: Int
  private var match = 0
  private var matched = 0
  private var text = TextWalk()
  var runFlags = FlagModel(bits: 10, sets: 1, inputs: 3)
  /// One bit per flag for a run, the last one lowest.
  private var runs = 0
  /// Before this place no run is asked for.
  private var nextRun = 0

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
    /// What call frame instructions came before; zeros elsewhere.
    var callFrame = (long: 0, short: 0)
    /// The diagonal of the cover before.
    var diagonal = 0
  }

  /// Indexes `ranges` of `base`, or lets `assistant` do it; the table has 2^`bits` places.
  init(bits: Int, base: [UInt8], indexing ranges: [Range<Int>], assistant: Assistant? = nil) {
    shift = UInt64(64 - bits)
    baseCount = base.count
    indexing = Errand.begin(ranges.isEmpty ? nil : assistant) {
      Self.index(base.span, ranges, bits: bits)
    }
    if indexing == nil { places = Self.index(base.span, ranges, bits: bits) }
  }

  /// Waits for the index if an assistant makes it; nothing is coded before.
  mutating func finishIndex() {
    guard let errand = indexing else { return }
    places = errand.finish()
    indexing = nil
  }

  private static func index(
    _ base: Span<UInt8>, _ ranges: [Range<Int>], bits: Int
  ) -> [UInt32] {
    var places = [UInt32](repeating: 0, count: 1 << bits)
    for range in ranges { index(base, range, UInt64(64 - bits), &places) }
    return places
  }

  private static func index(
    _ base: Span<UInt8>, _ range: Range<Int>, _ shift: UInt64, _ places: inout [UInt32]
  ) {
    var spots = places.mutableSpan
    var five: UInt64 = 0
    let part = base.extracting(range)
    for index in 0..<part.count {
      if index >= matchOrder {
        // A slot is what is left of 64 bits after a shift: below the number of places.
        let spot = slot(five, shift)
        unsafe spots[unchecked: spot] = UInt32(truncatingIfNeeded: range.lowerBound &+ index)
      }
      five = five >> 8 | UInt64(unsafe part[unchecked: index]) << 32
    }
  }

  /// Forgets the match: the bytes that come next do not follow those before.
  mutating func interrupt() { (matched, nextRun) = (0, 0) }

  /// Whether something is expected of the byte that comes next.
  var isMatching: Bool { matched > 0 }

  /// Takes note of a byte that was coded elsewhere.
  mutating func skip(_ byte: UInt8, at place: Int) { text.add(byte, at: place) }

  /// Codes the byte at `place`.
  mutating func code(
    _ byte: UInt8, at place: Int, _ traits: Traits, target: Span<UInt8>, base: Span<UInt8>,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    findMatch(place, target: target, base: base)
    let expected = matched > 0 ? expected(target, base: base) : 0
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
    text.add(result, at: place)
    return result
  }

  /// Codes whether the next bytes go on as they did where the match is; if so, writes them.
  ///
  /// They are the first `runCount` of `range`. Returns false where that is not asked, too.
  mutating func codeRun(
    _ range: Range<Int>, truth: Span<UInt8>, target: inout MutableSpan<UInt8>, base: Span<UInt8>,
    coder: inout BinaryCoder
  ) -> Bool {
    let place = range.lowerBound
    guard matched >= Self.sureLength, place >= nextRun, range.count >= Self.runCount,
      match >= baseCount || match &+ Self.runCount <= baseCount,
      !coder.without.contains(.runs)
    else { return false }
    let contexts: InlineArray<3, ContextHash> = [
      ContextHash(57).with(runs & 15), ContextHash(58).with(NumberModel.width(UInt64(matched))),
      ContextHash(59),
    ]
    let goesOn = runFlags.code(
      !coder.isDecoding && follows(place, truth: truth, target: target.span, base: base),
      contexts: contexts, set: 0, coder: &coder)
    runs = runs << 1 | (goesOn ? 1 : 0)
    guard goesOn else {
      nextRun = place &+ Self.runCount
      return false
    }
    for index in place..<place &+ Self.runCount {
      let byte = UInt8(truncatingIfNeeded: expected(target.span, base: base))
      target[index] = byte
      text.add(byte, at: index)
      match &+= 1
    }
    matched &+= Self.runCount
    return true
  }

  /// Whether a run from `place` on is right; what it will have written by then is taken from the truth.
  private func follows(
    _ place: Int, truth: Span<UInt8>, target: Span<UInt8>, base: Span<UInt8>
  ) -> Bool {
    for index in place..<place &+ Self.runCount {
      let from = match &+ index &- place
      let source = from &- baseCount
      let byte =
        source < 0
        ? base.byte(from)
        : source >= place && source < index ? truth.byte(source) : target.byte(source)
      if truth.byte(index) != byte { return false }
    }
    return true
  }

  private func expected(_ target: Span<UInt8>, base: Span<UInt8>) -> Int {
    match < baseCount ? base.byte(match) : target.byte(match &- baseCount)
  }

  private mutating func codeByte(
    _ byte: UInt8, at place: Int, _ traits: Traits, expected: Int, length: Int,
    target: Span<UInt8>, base: Span<UInt8>, table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let bucket = length == 0 ? 0 : length < 16 ? 1 : length < 31 ? 2 : 3
    let word = Int(target.word(place &- 4))
    let one = word >> 24
    let period = traits.period
    let column = traits.offset % period
    let above = target.byte(place &- period)
    let aboveThat = target.byte(place &- 2 &* period)
    let aboveLeft = target.byte(place &- period &- 1)
    let beside = base.byte(place &+ traits.diagonal)
    let role = traits.role
    let line = text.above(place, target)
    let contexts: InlineArray<23, ContextHash> = [
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
      ContextHash(75).with(line.byte).with(min(place &- text.line, 255)),
      ContextHash(76).with(line.byte << 8 | one).with(line.counted),
      ContextHash(77).with(line.counted),
      ContextHash(78).with(text.field).with(Int(truncatingIfNeeded: text.fieldHash)),
      ContextHash(79).with(Int(truncatingIfNeeded: text.word)).with(one),
      ContextHash(56).with(Int(truncatingIfNeeded: text.word))
        .with(Int(truncatingIfNeeded: text.wordBefore)),
      ContextHash(54).with(traits.callFrame.long),
      ContextHash(55).with(traits.callFrame.short).with(one),
    ]
    return bytes.code(
      byte, contexts: contexts, kind: role << 2 | bucket, table: &table, coder: &coder)
  }

  private mutating func findMatch(_ place: Int, target: Span<UInt8>, base: Span<UInt8>) {
    guard place >= Self.matchOrder else { return }
    let slot = Self.slot(target, place, shift)
    if matched == 0, places[slot] > 0 {
      match = Int(places[slot])
      matched = agreement(place, target: target, base: base)
    }
    places[slot] = UInt32(truncatingIfNeeded: baseCount &+ place)
  }

  /// How many bytes before `place` are those before the match.
  private func agreement(_ place: Int, target: Span<UInt8>, base: Span<UInt8>) -> Int {
    let isOld = match < baseCount
    let end = isOld ? match : match &- baseCount
    var count = 0
    while count < min(Self.lookedAt, end, place) {
      let byte = isOld ? base[end &- 1 &- count] : target[end &- 1 &- count]
      guard target[place &- 1 &- count] == byte else { break }
      count &+= 1
    }
    return count
  }

  @inline(__always)
  private static func slot(_ bytes: Span<UInt8>, _ end: Int, _ shift: UInt64) -> Int {
    slot(UInt64(bytes.word(end &- 4)) << 8 | UInt64(bytes.byte(end &- 5)), shift)
  }

  /// The place in the table of five bytes, the first of them lowest.
  @inline(__always)
  private static func slot(_ five: UInt64, _ shift: UInt64) -> Int {
    Int(truncatingIfNeeded: (five &* 0x9e37_79b9_7f4a_7c15) &>> shift)
  }
}
