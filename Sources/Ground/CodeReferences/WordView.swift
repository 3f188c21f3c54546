/// A window of a section, both clipped to the file, and where its marks go.
struct WordView {
  /// The section's bytes.
  let section: Range<Int>
  /// The window's bytes.
  let window: Range<Int>
  /// The file offset of `kinds[0]`.
  private let origin: Int

  /// The end of the aligned four bytes that the window touches last.
  var cellsEnd: Int { (window.upperBound &+ 3) & ~3 }

  /// Clips `section` to `bytes` and `window` to that; nil if nothing is left.
  init?(_ bytes: Span<UInt8>, section: Range<Int>, window: Range<Int>) {
    let whole = section.clamped(to: 0..<bytes.count)
    let part = window.clamped(to: whole)
    guard !part.isEmpty, window.lowerBound >= 0 else { return nil }
    self.section = whole
    self.window = part
    origin = window.lowerBound
  }

  /// The word of four bytes at `place`; there must be as many.
  @inline(__always)
  static func word(_ bytes: Span<UInt8>, at place: Int) -> UInt32 {
    UInt32(bytes[place]) | UInt32(bytes[place &+ 1]) << 8
      | UInt32(bytes[place &+ 2]) << 16 | UInt32(bytes[place &+ 3]) << 24
  }

  /// Gives the `count` bytes from `place` on the kind `kind`, as far as they are in the window.
  @inline(__always)
  func put(_ kind: ByteKind, at place: Int, count: Int, _ kinds: inout MutableSpan<UInt8>) {
    let start = place &- origin
    if place >= window.lowerBound && place &+ count <= window.upperBound
      && start &+ count <= kinds.count
    {
      kinds[start] = kind.rawValue | ByteKind.first | ByteKind.start
      for next in 1..<count { kinds[start &+ next] = kind.rawValue }
      return
    }
    for next in 0..<count where window.contains(place &+ next) {
      let index = place &+ next &- origin
      guard index < kinds.count else { return }
      kinds[index] = next == 0 ? kind.rawValue | ByteKind.first | ByteKind.start : kind.rawValue
    }
  }

  /// Says that the word at `place` has its partner at `partner`.
  @inline(__always)
  func put(partner: Int, at place: Int, _ partners: inout MutableSpan<Int16>) {
    guard place < cellsEnd else { return }
    let index = place >> 2 &- origin >> 2
    guard index >= 0, index < partners.count else { return }
    partners[index] = Int16(truncatingIfNeeded: partner &- place)
  }

  /// Marks code whose words stand at multiples of four.
  @inline(__always)
  func sweep<Words: WordSet>(
    _ words: Words.Type, _ bytes: Span<UInt8>,
    _ kinds: inout MutableSpan<UInt8>, _ partners: inout MutableSpan<Int16>
  ) {
    let first = min((section.lowerBound &+ 3) & ~3, section.upperBound)
    let last = max(section.upperBound & ~3, first)
    putRest(section.lowerBound..<first, &kinds)
    putRest(last..<section.upperBound, &kinds)
    var place = max(first, (window.lowerBound & ~3) &- WordCode.pairReach)
    let end = min(last, cellsEnd &+ WordCode.pairReach)
    var tracker = PairTracker()
    let before = min(end, window.lowerBound)
    edge(words, bytes, from: &place, to: before, &tracker, &kinds, &partners)
    let inner = min(last, window.upperBound & ~3, (origin &+ kinds.count) & ~3)
    while place < inner {
      let effect = words.effect(WordView.word(bytes, at: place))
      let step = tracker.step(words, effect, at: place)
      fill(step.kind, at: place &- origin, &kinds)
      record(step, at: place, &partners)
      place &+= 4
    }
    edge(words, bytes, from: &place, to: end, &tracker, &kinds, &partners)
  }

  /// Follows the words from `place` to `end` where not all of them are in the window.
  private func edge<Words: WordSet>(
    _ words: Words.Type, _ bytes: Span<UInt8>, from place: inout Int, to end: Int,
    _ tracker: inout PairTracker,
    _ kinds: inout MutableSpan<UInt8>, _ partners: inout MutableSpan<Int16>
  ) {
    while place < end {
      // Behind the window only pages that are still waiting for a partner matter.
      if place >= cellsEnd && tracker.fresh == 0 { return }
      let effect = words.effect(WordView.word(bytes, at: place))
      let step = tracker.step(words, effect, at: place)
      if place < window.upperBound && place &+ 4 > window.lowerBound {
        put(step.kind, at: place, count: 4, &kinds)
      }
      record(step, at: place, &partners)
      place &+= 4
    }
  }

  /// Gives four bytes of `kinds` the kind of a word that is wholly in them.
  @inline(__always)
  private func fill(_ kind: ByteKind, at index: Int, _ kinds: inout MutableSpan<UInt8>) {
    kinds[index] = kind.rawValue | ByteKind.first | ByteKind.start
    kinds[index &+ 1] = kind.rawValue
    kinds[index &+ 2] = kind.rawValue
    kinds[index &+ 3] = kind.rawValue
  }

  /// Writes down the partners that the tracker found at `place`.
  @inline(__always)
  func record(
    _ step: PairTracker.Step, at place: Int, _ partners: inout MutableSpan<Int16>
  ) {
    guard step.page >= 0 else { return }
    put(partner: step.page, at: place, &partners)
    if step.isFirst { put(partner: place, at: step.page, &partners) }
  }

  /// Marks bytes that are in no whole word.
  private func putRest(_ places: Range<Int>, _ kinds: inout MutableSpan<UInt8>) {
    for place in places { put(.bad, at: place, count: 1, &kinds) }
  }
}
