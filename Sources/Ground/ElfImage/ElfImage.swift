package import Bytes

/// A 64-bit little-endian ELF file, read without trusting it.
///
/// What the loader reads is read as the loader finds it: by segments and dynamic tags. Sections are
/// kept for tools. Parsing ends in a value or an error for every input; every table that was read lies
/// inside the file. It does not say that the file may be loaded: that is `LoadabilityLint`.
package struct ElfImage: Sendable {
  /// The whole file.
  package let bytes: [UInt8]
  /// The file header.
  package let header: ElfHeader
  /// The segments, in the order of the file.
  package let programHeaders: [ProgramHeader]
  /// The sections, in the order of the file, with the empty first one.
  package let sections: [ElfSection]
  /// The entries of the dynamic segment, without the closing one.
  package let dynamic: [DynamicEntry]
  /// The dynamic symbols, with the empty first one.
  package let symbols: [ElfSymbol]
  /// The notes of the note segments: what the loader and the host see.
  package let notes: [ElfNote]
  /// The notes of the note sections: the only ones that a relocatable file has.
  package let sectionNotes: [ElfNote]

  /// Reads `bytes` as an ELF file.
  ///
  /// Complexity: O(n) in the size of the file.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    let header = try ElfHeader(parsing: bytes)
    let segments = try Self.programHeaders(of: header, in: bytes)
    let sections = try Self.sections(of: header, in: bytes)
    let memory = MappedFile(bytes: bytes, segments: segments)
    let dynamic = try Self.dynamicEntries(segments, memory)
    self.bytes = bytes
    self.header = header
    programHeaders = segments
    self.sections = sections
    self.dynamic = dynamic
    symbols = try DynamicSymbolTable(dynamic: dynamic, memory: memory).symbols()
    notes = try Self.segmentNotes(segments, in: bytes)
    sectionNotes = try Self.sectionNotes(sections, in: bytes)
  }
}

/// The most that is read of each kind; far above what real files have.
package enum ElfLimits {
  /// Program headers.
  package static let programHeaders: UInt64 = 1024
  /// Section headers; more than 65 279 are counted in the first one.
  package static let sections: UInt64 = 1 << 20
  /// Dynamic entries.
  package static let dynamicEntries = 4096
  /// Dynamic symbols.
  package static let symbols: UInt64 = 1 << 22
  /// Version definitions, requirements and their names together.
  package static let versions = 1 << 16
  /// Notes.
  package static let notes = 4096
  /// Bytes of one name.
  package static let name: UInt64 = 1 << 16
  /// Bytes of all names of one kind together: names may share bytes in the file, copies do not.
  package static let names: UInt64 = 1 << 26
}

extension ElfImage {
  private static func programHeaders(
    of header: ElfHeader, in bytes: [UInt8]
  ) throws(FormatError) -> [ProgramHeader] {
    let (offset, count) = (header.programHeaders.offset, UInt64(header.programHeaders.count))
    guard count <= ElfLimits.programHeaders else {
      throw FormatError(
        .overLimit("number of program headers", found: count, limit: ElfLimits.programHeaders),
        at: 56)
    }
    let range = try table(offset, count, ProgramHeader.byteCount, at: 32)
    var reader = try ByteReader(bytes, in: range)
    var segments: [ProgramHeader] = []
    for _ in 0..<count { segments.append(try ProgramHeader(parsing: &reader)) }
    return segments
  }

  private static func sections(
    of header: ElfHeader, in bytes: [UInt8]
  ) throws(FormatError) -> [ElfSection] {
    let offset = header.sectionHeaders.offset
    guard offset != 0 else { return [] }
    let first = try table(offset, 1, ElfSection.byteCount, at: 40)
    var reader = try ByteReader(bytes, in: first)
    let head = try RawSection(parsing: &reader)
    // Numbers that do not fit the file header's 16 bits are in the first entry.
    let count = header.sectionHeaders.count == 0 ? head.size : UInt64(header.sectionHeaders.count)
    guard count <= ElfLimits.sections else {
      throw FormatError(
        .overLimit("number of sections", found: count, limit: ElfLimits.sections), at: 60)
    }
    reader = try ByteReader(bytes, in: try table(offset, count, ElfSection.byteCount, at: 40))
    var raw: [RawSection] = []
    for _ in 0..<count { raw.append(try RawSection(parsing: &reader)) }
    let names = header.nameSection == 0xffff ? UInt64(head.link) : UInt64(header.nameSection)
    return try named(raw, by: names, in: bytes)
  }

  private static func named(
    _ raw: [RawSection], by index: UInt64, in bytes: [UInt8]
  ) throws(FormatError) -> [ElfSection] {
    guard index != 0 else { return raw.map { $0.named("") } }
    guard index < UInt64(raw.count) else {
      throw FormatError(.illegal("the index of the section with names"), at: 62)
    }
    let table = raw[Int(index)]
    let end = try table.offset.adding(table.size, at: 40)
    var names = try StringTable(bytes, in: table.offset..<end)
    var sections: [ElfSection] = []
    for section in raw {
      sections.append(section.named(try names.string(at: UInt64(section.nameOffset))))
    }
    return sections
  }

  private static func table(
    _ offset: UInt64, _ count: UInt64, _ size: UInt64, at position: Int
  ) throws(FormatError) -> Range<UInt64> {
    guard count > 0 else { return 0..<0 }
    let end = try offset.adding(try count.multiplied(by: size, at: position), at: position)
    return offset..<end
  }
}
