/// Where things start in sections of each role.
extension FieldMap {
  /// How many bytes of words are marked at a time.
  private static let wordWindow = 1 << 16

  /// Marks the words of a section, or half words, and gathers the addresses of read-only data that
  /// they take.
  static func markWords(
    _ bytes: Span<UInt8>, _ section: Int, _ layout: ElfLayout, _ words: WordCode,
    _ bitmap: inout StartBitmap, _ taken: inout TakenAddresses
  ) {
    let range = fieldRange(section, of: layout)
    let slide = layout.address(of: section) &- UInt64(range.lowerBound)
    var constants = ConstantFinder(layout: layout)
    var kinds = [UInt8](repeating: 0, count: wordWindow)
    var partners = [Int16](repeating: 0, count: wordWindow / 4 + 1)
    var start = range.lowerBound
    while start < range.upperBound {
      // Windows end at multiples of 4, as words do.
      let window = start..<min(start / 4 &* 4 &+ wordWindow, range.upperBound)
      var kindSpan = kinds.mutableSpan
      var partnerSpan = partners.mutableSpan
      words.mark(
        bytes, section: range, window: window, kinds: &kindSpan, partners: &partnerSpan)
      for index in 0..<window.count where kindSpan[index] & ByteKind.start != 0 {
        bitmap.insert(start &+ index)
        let place = start &+ index
        let kind = ByteKind(rawValue: kindSpan[index]).plain
        guard words.completesAddress(kind), place &+ 4 <= range.upperBound else { continue }
        let word = WordView.word(bytes, at: place)
        guard words.takesAddress(word) else { continue }
        let partner = place &+ Int(partnerSpan[place >> 2 &- start >> 2])
        let target = WordCode.target(
          kind, word: word, place: UInt64(place) &+ slide,
          partner: WordView.word(bytes, at: partner), partnerPlace: UInt64(partner) &+ slide)
        if let offset = constants.offset(of: target) { taken.insert(offset) }
      }
      start = window.upperBound
    }
  }

  /// Marks the records of `.eh_frame`, up to one that does not end in it.
  static func markFrames(_ bytes: Span<UInt8>, _ range: Range<Int>, _ bitmap: inout StartBitmap) {
    var start = range.lowerBound
    while let record = FrameRecord(bytes, at: start, limit: range.upperBound) {
      bitmap.insert(start)
      start = record.end
    }
  }

  /// Marks the strings of a table: its first byte, and each that follows a NUL.
  static func markStrings(_ bytes: Span<UInt8>, _ range: Range<Int>, _ bitmap: inout StartBitmap) {
    bitmap.insert(range.lowerBound)
    for index in range where bytes[index] == 0 && index &+ 1 < range.upperBound {
      bitmap.insert(index &+ 1)
    }
  }
}

/// Finds what of read-only data stands at an address, soonest in the section that was asked for before.
///
/// What was asked for before makes no difference to the answer, so that two may share the questions.
struct ConstantFinder {
  let layout: ElfLayout
  /// Addresses of read-only data that one section owns, and where in the file the first of them is.
  private var addresses: Range<UInt64> = 0..<0
  private var start = 0

  init(layout: ElfLayout) { self.layout = layout }

  /// The offset in the file of what is at `target`, or nil; both are multiples of 4.
  @inline(__always)
  mutating func offset(of target: UInt64) -> Int? {
    if !addresses.contains(target) { look(at: target) }
    guard addresses.contains(target), target & 3 == 0 else { return nil }
    let offset = start &+ Int(target &- addresses.lowerBound)
    return offset & 3 == 0 ? offset : nil
  }

  /// Takes the read-only data at the address; none when there is none.
  private mutating func look(at target: UInt64) {
    (addresses, start) = (0..<0, 0)
    guard let (owned, section) = layout.ownedAddresses(around: target),
      layout.role(section) == .readOnly
    else { return }
    // Where sections overlap, the first bytes of one may be another's.
    let range = FieldMap.fieldRange(section, of: layout)
    let before = owned.lowerBound &- layout.address(of: section)
    guard before < UInt64(range.count) else { return }
    let end = min(owned.upperBound, layout.address(of: section) &+ UInt64(range.count))
    addresses = owned.lowerBound..<end
    start = range.lowerBound &+ Int(before)
  }
}
