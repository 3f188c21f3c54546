/// Sections for a file that has no section headers, made up from its program headers alone.
///
/// Each PT_LOAD is a section of its bytes in the file, after the header tables, and one without bytes
/// for the rest of its memory; PT_DYNAMIC and PT_GNU_EH_FRAME, where they lie in a PT_LOAD, are
/// sections of their own and divide it. The contents of the file are not looked at, so that a decoder
/// can make the same sections for a file it does not have yet.
struct SegmentSections {
  /// The null section, then the others in the order of program headers and offsets.
  private(set) var sections = [SectionHeader()]

  private struct Segment {
    let type: UInt32
    let flags: UInt32
    let offset: UInt64
    let address: UInt64
    let fileSize: UInt64
    let memorySize: UInt64
  }

  private static let load: UInt32 = 1
  private static let dynamic: UInt32 = 2
  private static let frameHeader: UInt32 = 0x6474_e550

  /// Makes the sections of a file of `fileSize` bytes.
  init(_ programHeaders: Span<UInt8>, frames: [Range<Int>], fileSize: Int) {
    var loads: [Segment] = []
    var tables: [Segment] = []
    let size = ElfLayout.programHeaderSize
    for start in stride(from: 0, to: programHeaders.count &- size &+ 1, by: size) {
      let segment = Segment(
        type: programHeaders.littleEndian32(at: start),
        flags: programHeaders.littleEndian32(at: start &+ 4),
        offset: programHeaders.littleEndian64(at: start &+ 8),
        address: programHeaders.littleEndian64(at: start &+ 16),
        fileSize: programHeaders.littleEndian64(at: start &+ 32),
        memorySize: programHeaders.littleEndian64(at: start &+ 40))
      guard segment.offset <= UInt64(fileSize),
        segment.fileSize <= UInt64(fileSize) &- segment.offset
      else { continue }
      if segment.type == Self.load { loads.append(segment) }
      if segment.type == Self.dynamic || segment.type == Self.frameHeader { tables.append(segment) }
    }
    // Of tables at one place the one whose header comes first.
    tables = tables.enumerated()
      .sorted { ($0.element.offset, $0.offset) < ($1.element.offset, $1.offset) }
      .map { $0.element }
    // Of a segment that begins with the headers the rest is a section.
    let head = UInt64(frames.first?.upperBound ?? 0)
    for load in loads { append(load, tables: tables, after: head) }
  }

  private mutating func append(_ load: Segment, tables: [Segment], after head: UInt64) {
    let end = load.offset &+ load.fileSize
    var offset = max(load.offset, head)
    for table in tables {
      let tableEnd = table.offset &+ table.fileSize
      guard table.offset >= offset, tableEnd <= end, table.fileSize > 0 else { continue }
      append(load, offset..<table.offset, type: SectionHeader.typeProgram)
      append(
        load, table.offset..<tableEnd,
        type: table.type == Self.dynamic ? SectionHeader.typeDynamic : SectionHeader.typeProgram)
      offset = tableEnd
    }
    if offset < end { append(load, offset..<end, type: SectionHeader.typeProgram) }
    guard load.memorySize > load.fileSize else { return }
    var rest = SectionHeader()
    rest.type = SectionHeader.typeNoBits
    rest.flags = Self.flags(load.flags)
    rest.address = load.address &+ load.fileSize
    rest.offset = end
    rest.size = load.memorySize &- load.fileSize
    sections.append(rest)
  }

  private mutating func append(_ load: Segment, _ range: Range<UInt64>, type: UInt32) {
    guard !range.isEmpty else { return }
    var section = SectionHeader()
    section.type = type
    section.flags = Self.flags(load.flags)
    section.address = load.address &+ (range.lowerBound &- load.offset)
    section.offset = range.lowerBound
    section.size = UInt64(range.count)
    sections.append(section)
  }

  /// Section flags for those of a segment (PF_X 1, PF_W 2).
  private static func flags(_ flags: UInt32) -> UInt64 {
    SectionHeader.flagAllocated | (flags & 2 != 0 ? SectionHeader.flagWritable : 0)
      | (flags & 1 != 0 ? SectionHeader.flagExecutable : 0)
  }
}
