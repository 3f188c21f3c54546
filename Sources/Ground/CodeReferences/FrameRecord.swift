/// One record of `.eh_frame`: a CIE, an FDE or a terminator (LSB Core, "Exception Frames").
struct FrameRecord {
  /// Where the length stands.
  let start: Int
  /// Where the next record begins.
  let end: Int
  /// Where CIE id or CIE pointer stand; `end` in a terminator.
  let identifier: Int

  /// The record at `start`, or nil when none ends at or before `limit`.
  ///
  /// A length of 0 is a record of four bytes; 0xffffffff is followed by a length of eight bytes.
  @inline(__always)
  init?(_ bytes: Span<UInt8>, at start: Int, limit: Int) {
    guard start >= 0, limit <= bytes.count, start <= limit &- 4 else { return nil }
    self.start = start
    let length = bytes.littleEndian32(at: start)
    if length != UInt32.max {
      guard Int(length) <= limit &- start &- 4 else { return nil }
      identifier = start &+ 4
      end = start &+ 4 &+ Int(length)
      return
    }
    let long = bytes.littleEndian64(at: start &+ 4)
    guard limit &- start >= 12, long <= UInt64(limit &- start &- 12) else { return nil }
    identifier = start &+ 12
    end = start &+ 12 &+ Int(long)
  }

  /// Where the CIE of an FDE would be, or nil when this is a CIE, or too short.
  @inline(__always)
  func commonEntry(_ bytes: Span<UInt8>, section: Range<Int>) -> Int? {
    guard end &- identifier >= 4 else { return nil }
    let pointer = Int(bytes.littleEndian32(at: identifier))
    guard pointer != 0, pointer <= identifier &- section.lowerBound else { return nil }
    return identifier &- pointer
  }
}

/// What a CIE says of the pointers in itself and in its FDEs.
struct CommonEntry {
  /// DW_EH_PE_pcrel | DW_EH_PE_sdata4: four bytes relative to themselves.
  private static let relative32: UInt8 = 0x1b
  /// The same with DW_EH_PE_indirect: they name a word that holds the address.
  private static let indirect32: UInt8 = 0x9b
  /// DW_EH_PE_omit.
  private static let omitted: UInt8 = 0xff
  /// The longest augmentation string that is understood.
  private static let maximumAugmentation = 8

  /// Whether addresses and ranges of code are four bytes, the address relative to itself.
  private(set) var hasRelativeCode = false
  /// Whether pointers to language data are four bytes relative to themselves.
  private(set) var hasRelativeData = false
  /// Whether FDEs have augmentation data.
  private(set) var hasSize = false
  /// Where the pointer to the personality routine stands, when it is four bytes relative to itself.
  private(set) var personality: Int?

  /// Reads the CIE at `start`, or nil when there is none before `limit` that is understood.
  ///
  /// Understood are versions 1 and 3 with an augmentation that begins with `z` and is made of `R`, `P`,
  /// `L`, `S`, `B` and `G`, every `P` with four bytes relative to themselves.
  init?(_ bytes: Span<UInt8>, at start: Int, limit: Int) {
    guard let record = FrameRecord(bytes, at: start, limit: limit),
      record.end &- record.identifier >= 9, bytes.littleEndian32(at: record.identifier) == 0
    else { return nil }
    let version = bytes[record.identifier &+ 4]
    guard version == 1 || version == 3 else { return nil }
    let letters = record.identifier &+ 5
    var cursor = letters
    while cursor < record.end, bytes[cursor] != 0 {
      cursor &+= 1
      guard cursor &- letters <= Self.maximumAugmentation else { return nil }
    }
    let lettersEnd = cursor
    cursor &+= 1
    // Code alignment, data alignment, return register, size of the augmentation data.
    Self.skipLEB(bytes, &cursor, record.end)
    Self.skipLEB(bytes, &cursor, record.end)
    if version == 1 { cursor &+= 1 } else { Self.skipLEB(bytes, &cursor, record.end) }
    guard letters < lettersEnd, bytes[letters] == UInt8(ascii: "z") else { return nil }
    hasSize = true
    Self.skipLEB(bytes, &cursor, record.end)
    for letter in letters &+ 1..<lettersEnd {
      guard read(bytes[letter], bytes, &cursor, record.end) else { return nil }
    }
  }

  /// Reads what one letter of the augmentation announces; false when it is not understood.
  private mutating func read(
    _ letter: UInt8, _ bytes: Span<UInt8>, _ cursor: inout Int, _ end: Int
  ) -> Bool {
    switch letter {
    case UInt8(ascii: "S"), UInt8(ascii: "B"), UInt8(ascii: "G"): return true
    case UInt8(ascii: "R"), UInt8(ascii: "L"), UInt8(ascii: "P"): break
    default: return false
    }
    guard cursor < end else { return false }
    let encoding = bytes[cursor]
    cursor &+= 1
    let isRelative = encoding == Self.relative32 || encoding == Self.indirect32
    if letter == UInt8(ascii: "R") {
      hasRelativeCode = encoding == Self.relative32
    } else if letter == UInt8(ascii: "L") {
      hasRelativeData = isRelative
    } else if encoding != Self.omitted {
      guard isRelative, cursor <= end &- 4 else { return false }
      personality = cursor
      cursor &+= 4
    }
    return true
  }

  /// Steps over a LEB128 number of at most ten bytes.
  static func skipLEB(_ bytes: Span<UInt8>, _ cursor: inout Int, _ end: Int) {
    for _ in 0..<10 {
      guard cursor < end else { return }
      cursor &+= 1
      if bytes[cursor &- 1] < 0x80 { return }
    }
  }
}

/// The CIE that was read last: FDEs that follow each other mostly have the same.
struct CommonEntryCache {
  /// The section.
  let section: Range<Int>
  private var start = -1
  private var entry: CommonEntry?

  /// Nothing has been read of the section.
  init(section: Range<Int>) { self.section = section }

  /// The CIE at `place`, or nil when there is none that is understood.
  @inline(__always)
  mutating func entry(_ bytes: Span<UInt8>, at place: Int) -> CommonEntry? {
    if place != start {
      start = place
      entry = CommonEntry(bytes, at: place, limit: section.upperBound)
    }
    return entry
  }
}

extension FrameRecord {
  /// Writes the fields of the record into the page from `base` on.
  ///
  /// Of a CIE the pointer to the personality routine; of an FDE with a CIE that is understood the
  /// pointer to that, the address and the range of the code when they are of four bytes, and the
  /// pointer to language data when it is, and not 0.
  func paint(
    _ bytes: Span<UInt8>, _ entries: inout CommonEntryCache, _ kinds: inout MutableSpan<UInt8>,
    base: Int
  ) {
    guard end &- identifier >= 4 else { return }
    if bytes.littleEndian32(at: identifier) == 0 {
      guard let place = entries.entry(bytes, at: start)?.personality else { return }
      return kinds.paint(.relativeAddress32, at: place &- base, count: 4)
    }
    guard let place = commonEntry(bytes, section: entries.section),
      let entry = entries.entry(bytes, at: place)
    else { return }
    kinds.paint(.commonEntryPointer, at: identifier &- base, count: 4)
    guard entry.hasRelativeCode, end &- identifier >= 12 else { return }
    kinds.paint(.relativeAddress32, at: identifier &+ 4 &- base, count: 4)
    kinds.paint(.codeRange, at: identifier &+ 8 &- base, count: 4)
    guard entry.hasRelativeData, entry.hasSize else { return }
    var cursor = identifier &+ 12
    CommonEntry.skipLEB(bytes, &cursor, end)
    guard cursor <= end &- 4, bytes.littleEndian32(at: cursor) != 0 else { return }
    kinds.paint(.relativeAddress32, at: cursor &- base, count: 4)
  }
}
