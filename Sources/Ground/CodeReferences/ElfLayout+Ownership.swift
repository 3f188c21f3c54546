/// Which section owns which bytes and addresses, and what names say.
extension ElfLayout {
  /// The bytes that sections own in the file.
  static func extents(of sections: [SectionHeader], fileSize: Int) -> [Extent] {
    var claims: [Extent] = []
    for (index, section) in sections.enumerated() {
      guard !section.hasNoBytes, section.size > 0, section.offset <= UInt64(fileSize),
        section.size <= UInt64(fileSize) &- section.offset
      else { continue }
      let start = Int(section.offset)
      claims.append(Extent(range: start..<start &+ Int(section.size), section: index))
    }
    claims.sort {
      ($0.range.lowerBound, $0.section) < ($1.range.lowerBound, $1.section)
    }
    var extents: [Extent] = []
    var end = 0
    for claim in claims where claim.range.upperBound > end {
      let range = max(claim.range.lowerBound, end)..<claim.range.upperBound
      extents.append(Extent(range: range, section: claim.section))
      end = range.upperBound
    }
    return extents
  }

  /// The addresses that a section owns.
  struct AddressRange {
    let start: UInt64
    let end: UInt64
    let section: Int
  }

  /// The addresses that sections own: ascending, not empty, disjoint.
  static func addressRanges(
    of sections: [SectionHeader], isRelocatable: Bool, owned: [Range<Int>]
  ) -> [AddressRange] {
    var claims: [AddressRange] = []
    for (index, section) in sections.enumerated() {
      let isTemplate =
        section.flags & SectionHeader.flagThreadLocal != 0 && section.hasNoBytes
      guard section.isAllocated, section.type != SectionHeader.typeNull, !isTemplate,
        !isRelocatable || !owned[index].isEmpty
      else { continue }
      let start = isRelocatable ? section.offset : section.address
      let (end, overflow) = start.addingReportingOverflow(section.size)
      guard !overflow, section.size > 0 else { continue }
      claims.append(AddressRange(start: start, end: end, section: index))
    }
    claims.sort { ($0.start, $0.section) < ($1.start, $1.section) }
    var ranges: [AddressRange] = []
    var end: UInt64 = 0
    for claim in claims where claim.end > end {
      ranges.append(
        AddressRange(start: max(claim.start, end), end: claim.end, section: claim.section))
      end = claim.end
    }
    return ranges
  }

  /// The union of the ranges: ascending, not empty, disjoint.
  static func disjoint(_ ranges: [Range<Int>]) -> [Range<Int>] {
    var union: [Range<Int>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
      if let last = union.last, range.lowerBound <= last.upperBound {
        union[union.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        union.append(range)
      }
    }
    return union
  }

  /// The longest section name that is read.
  static let maximumNameLength = 64

  /// The roles of the sections by headers and by the names in the section `table`.
  static func roles(_ layout: ElfLayout, names: Span<UInt8>, table: Int) -> [SectionRole] {
    let place = layout.sections.indices.contains(table) ? layout.sections[table] : SectionHeader()
    guard !place.hasNoBytes, place.offset <= UInt64(names.count),
      place.size <= UInt64(names.count) &- place.offset
    else { return layout.roles }
    let start = Int(place.offset)
    let range = start..<start &+ Int(place.size)
    return layout.sections.map { section in
      SectionRole(section, name: name(names, range, at: section.nameOffset))
    }
  }

  /// The name that begins `offset` bytes into the range; empty when it is not ended in it.
  private static func name(_ bytes: Span<UInt8>, _ range: Range<Int>, at offset: UInt32) -> [UInt8]
  {
    guard Int(offset) < range.count else { return [] }
    let start = range.lowerBound &+ Int(offset)
    var end = start
    while end < range.upperBound, end &- start <= maximumNameLength {
      if bytes[end] == 0 { return copy(bytes, start..<end) }
      end &+= 1
    }
    return []
  }
}

/// What of the file header says where the tables are.
struct FileHeader {
  private let isSupported: Bool
  private let programHeaderOffset: UInt64
  private let sectionHeaderOffset: UInt64
  private let programHeaderSize: UInt16
  private let programHeaderCount: UInt16
  private let sectionHeaderSize: UInt16
  private let sectionHeaderCount: UInt16
  /// Which section holds the names of sections.
  let nameTable: Int
  /// `e_machine`.
  let machine: UInt16
  /// Whether the file is the linker's input.
  let isRelocatable: Bool

  /// Reads the header at the start of `bytes`.
  init(_ bytes: Span<UInt8>) {
    // ELFMAG, ELFCLASS64, ELFDATA2LSB.
    isSupported =
      bytes.littleEndian32(at: 0) == 0x464c_457f && bytes.littleEndian16(at: 4) == 0x0102
    isRelocatable = bytes.littleEndian16(at: 16) == 1
    machine = bytes.littleEndian16(at: 18)
    programHeaderOffset = bytes.littleEndian64(at: 32)
    sectionHeaderOffset = bytes.littleEndian64(at: 40)
    programHeaderSize = bytes.littleEndian16(at: 54)
    programHeaderCount = bytes.littleEndian16(at: 56)
    sectionHeaderSize = bytes.littleEndian16(at: 58)
    sectionHeaderCount = bytes.littleEndian16(at: 60)
    nameTable = Int(bytes.littleEndian16(at: 62))
  }

  /// Where the program headers are, empty when there are none, nil when that is not in the file.
  func programHeaderRange(fileSize: Int) -> Range<Int>? {
    guard isSupported, Int(programHeaderCount) <= ElfLayout.maximumProgramHeaders else {
      return nil
    }
    guard programHeaderCount > 0 else { return 0..<0 }
    guard Int(programHeaderSize) == ElfLayout.programHeaderSize else { return nil }
    return Self.range(
      programHeaderOffset, Int(programHeaderCount) &* ElfLayout.programHeaderSize, fileSize)
  }

  /// Where the section headers are, empty when there are none, nil when that is not in the file.
  func sectionHeaderRange(fileSize: Int) -> Range<Int>? {
    guard isSupported, Int(sectionHeaderCount) <= ElfLayout.maximumSections else { return nil }
    guard sectionHeaderCount > 0, sectionHeaderOffset > 0 else { return 0..<0 }
    guard Int(sectionHeaderSize) == SectionHeader.byteCount else { return nil }
    return Self.range(
      sectionHeaderOffset, Int(sectionHeaderCount) &* SectionHeader.byteCount, fileSize)
  }

  private static func range(_ start: UInt64, _ count: Int, _ fileSize: Int) -> Range<Int>? {
    guard count <= fileSize, start <= UInt64(fileSize &- count) else { return nil }
    return Int(start)..<Int(start) &+ count
  }
}
