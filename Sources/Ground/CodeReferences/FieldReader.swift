/// Reads the fields of a base through a small cache of pages.
///
/// Public so that `kind(at:)` can be inlined, which is called for nearly every byte (see `ByteKind`).
public struct FieldReader: Sendable {
  /// How many pages are kept; a page has one place only.
  @usableFromInline static var slotCount: Int { 16 }

  /// The fields.
  package let map: FieldMap
  /// How many pages were made so far.
  ///
  /// Making one costs as much as reading some thousand kinds; who lets input choose the offsets should
  /// bound this number.
  package private(set) var loadCount = 0
  /// Which page is in each place, or -1.
  @usableFromInline var indices: [Int]
  /// The kinds of their bytes, page after page.
  @usableFromInline var kinds: [UInt8]
  /// The partners of their words, page after page.
  @usableFromInline var partners: [Int16]
  /// Where a page is made.
  private var page = FieldPage()
  /// Pages that somebody else makes.
  private var ahead: PagesAhead?
  /// The section of the last address that was asked for: its bytes, and where they are loaded.
  private var range: Range<Int> = 0..<0
  private var address: UInt64 = 0

  /// Reads the fields of `map`.
  package init(_ map: FieldMap) {
    self.map = map
    indices = Array(repeating: -1, count: Self.slotCount)
    kinds = Array(repeating: 0, count: Self.slotCount << 12)
    partners = Array(repeating: 0, count: Self.slotCount << 10)
  }

  /// Lets `assistant` make ahead the pages that reading `ranges` in this order takes.
  package mutating func prepare(
    for ranges: some Sequence<Range<Int>>, assistant: @escaping Assistant
  ) {
    ahead = PagesAhead(map, reading: ranges, assistant: assistant)
  }

  /// What the byte at `offset` is; `none` outside the file.
  @inlinable @inline(__always)
  public mutating func kind(at offset: Int) -> ByteKind {
    let slot = (offset &>> 12) & (Self.slotCount &- 1)
    if indices[slot] != offset &>> 12 { load(offset &>> 12, slot) }
    return ByteKind(rawValue: kinds[slot &<< 12 | offset & 4095])
  }

  /// Which of the `count` bytes from `offset` on, at most 64, are the first of a field: a bit for each, the
  /// lowest for that at `offset`.
  package mutating func firstBytes(from offset: Int, count: Int) -> UInt64 {
    let here = min(count, 4096 &- (offset & 4095))
    let marks = firstBytes(ofPageAt: offset, count: here)
    guard here < count else { return marks }
    return marks | firstBytes(ofPageAt: offset &+ here, count: count &- here) &<< UInt64(here)
  }

  /// The same for bytes of one page.
  private mutating func firstBytes(ofPageAt offset: Int, count: Int) -> UInt64 {
    let slot = (offset >> 12) & (Self.slotCount &- 1)
    if indices[slot] != offset >> 12 { load(offset >> 12, slot) }
    let start = slot << 12 | offset & 4095
    let kinds = kinds.span.extracting(start..<start &+ count)
    var marks: UInt64 = 0
    var place = 0
    while place &+ 8 <= count {
      let ones = (kinds.littleEndian64(at: place) >> 6) & 0x0101_0101_0101_0101
      // Brings the lowest bit of each byte to the highest byte, that of the lowest byte lowest.
      marks |= ((ones &* 0x0102_0408_1020_4080) >> 56) &<< UInt64(place)
      place &+= 8
    }
    while place < count {
      let isFirst = ByteKind(rawValue: kinds[place]).isFirst
      marks |= (isFirst ? 1 : 0) &<< UInt64(place)
      place &+= 1
    }
    return marks
  }

  /// How many bytes after the word at `offset` its partner stands, 0 when it has none.
  @inline(__always)
  package mutating func partner(at offset: Int) -> Int {
    let slot = (offset >> 12) & (Self.slotCount &- 1)
    if indices[slot] != offset >> 12 { load(offset >> 12, slot) }
    return Int(partners[slot << 10 | (offset & 4095) >> 2])
  }

  @inline(never) @usableFromInline
  mutating func load(_ index: Int, _ slot: Int) {
    loadCount &+= 1
    indices[slot] = index
    if ahead?.take(index, to: slot, &kinds, &partners) ?? false { return }
    map.fill(&page, index: index)
    kinds.replaceSubrange(slot << 12..<(slot + 1) << 12, with: page.kinds)
    partners.replaceSubrange(slot << 10..<(slot + 1) << 10, with: page.partners)
  }

  /// The address that the reference field of this kind at `offset` names, or nil when it is no
  /// reference, or is not loaded.
  ///
  /// For `commonEntryPointer` it is the address of the CIE, for an indirect personality pointer that of
  /// the word it names, for `rip0` … `rip4` and branches of x86-64 that relative to the end of the
  /// instruction.
  @inline(__always)
  package mutating func target(at offset: Int, kind: ByteKind) -> UInt64? {
    switch kind.plain {
    case .address64, .relativeRelocation: return map.bytes.span.littleEndian64(at: offset)
    case .jumpTableEntry:
      guard let base = map.jumpTableBase(at: offset) else { return nil }
      return base &+ map.bytes.span.signed32(at: offset)
    case .none, .prefix, .opcode, .modRM, .sib, .displacement8, .displacement32, .immediate8,
      .immediate16, .immediate32, .immediate64, .bad, .armWord, .loongWord, .riscWord, .riscHalf,
      .symbolIndex, .stringOffset, .symbolSize, .sectionSize, .codeRange, .pltIndex,
      .relativeBitmap:
      return nil
    default: break
    }
    guard let place = place(of: offset) else { return nil }
    return Self.target(map.bytes.span, at: offset, kind: kind.plain, place: place)
      ?? wordTarget(at: offset, kind: kind.plain, place: place)
  }

  /// What a field that counts from itself names, or nil when it is not of that kind.
  @inline(__always)
  private static func target(
    _ bytes: Span<UInt8>, at offset: Int, kind: ByteKind, place: UInt64
  ) -> UInt64? {
    let near = place &+ bytes.signed32(at: offset)
    switch kind {
    case .relative8:
      return place &+ 1 &+ UInt64(bitPattern: Int64(Int8(bitPattern: bytes[offset])))
    case .relative32, .rip0: return near &+ 4
    case .rip1: return near &+ 5
    case .rip2: return near &+ 6
    case .rip4: return near &+ 8
    case .relativeAddress32: return near
    case .commonEntryPointer: return place &- UInt64(bytes.littleEndian32(at: offset))
    default: return nil
    }
  }

  /// The address behind what an FDE's or a symbol's range describes: where the field before it says
  /// that it begins, and as far on as the field at `offset` says.
  ///
  /// Nil when the field is no `codeRange` or `symbolSize`, or is not loaded where that matters.
  package mutating func end(at offset: Int, kind: ByteKind) -> UInt64? {
    if kind.plain == .symbolSize {
      let bytes = map.bytes.span
      return bytes.littleEndian64(at: offset &- 8) &+ bytes.littleEndian64(at: offset)
    }
    guard kind.plain == .codeRange, let place = place(of: offset) else { return nil }
    let bytes = map.bytes.span
    let begin = place &- 4 &+ bytes.signed32(at: offset &- 4)
    return begin &+ UInt64(bytes.littleEndian32(at: offset))
  }

  private mutating func wordTarget(at offset: Int, kind: ByteKind, place: UInt64) -> UInt64? {
    let distance = partner(at: offset)
    let bytes = map.bytes.span
    let isHalf = kind == .riscCompressedJump || kind == .riscCompressedBranch
    let word = isHalf ? UInt32(bytes.littleEndian16(at: offset)) : bytes.littleEndian32(at: offset)
    return WordCode.target(
      kind, word: word, place: place,
      partner: distance == 0 ? 0 : bytes.littleEndian32(at: offset &+ distance),
      partnerPlace: place &+ UInt64(truncatingIfNeeded: distance))
  }

  /// The address at which the byte at `offset` is loaded, or nil.
  @inline(__always)
  private mutating func place(of offset: Int) -> UInt64? {
    if !range.contains(offset) {
      guard let layout = map.layout, let section = layout.section(atOffset: offset),
        let start = layout.address(ofOffset: layout.range(of: section).lowerBound)
      else { return nil }
      range = layout.range(of: section)
      address = start
    }
    return address &+ UInt64(offset &- range.lowerBound)
  }
}
