package import Bytes

/// One entry of the dynamic segment.
package struct DynamicEntry: Equatable, Sendable {
  /// What the value is.
  package let tag: Tag
  /// A number, an address, or an offset into the string table.
  package let value: UInt64

  /// `d_tag`; a value that has no name here is kept as it is.
  package struct Tag: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let needed = Tag(rawValue: 1)
    package static let pltRelocationsSize = Tag(rawValue: 2)
    package static let hash = Tag(rawValue: 4)
    package static let stringTable = Tag(rawValue: 5)
    package static let symbolTable = Tag(rawValue: 6)
    package static let rela = Tag(rawValue: 7)
    package static let relaSize = Tag(rawValue: 8)
    package static let relaEntry = Tag(rawValue: 9)
    package static let stringTableSize = Tag(rawValue: 10)
    package static let symbolEntry = Tag(rawValue: 11)
    package static let initialize = Tag(rawValue: 12)
    package static let finalize = Tag(rawValue: 13)
    package static let soname = Tag(rawValue: 14)
    package static let rpath = Tag(rawValue: 15)
    package static let symbolic = Tag(rawValue: 16)
    package static let rel = Tag(rawValue: 17)
    package static let pltRelocationKind = Tag(rawValue: 20)
    package static let textRelocations = Tag(rawValue: 22)
    package static let pltRelocations = Tag(rawValue: 23)
    package static let bindNow = Tag(rawValue: 24)
    package static let initializeArray = Tag(rawValue: 25)
    package static let finalizeArray = Tag(rawValue: 26)
    package static let initializeArraySize = Tag(rawValue: 27)
    package static let finalizeArraySize = Tag(rawValue: 28)
    package static let runpath = Tag(rawValue: 29)
    package static let flags = Tag(rawValue: 30)
    package static let preinitializeArray = Tag(rawValue: 32)
    package static let preinitializeArraySize = Tag(rawValue: 33)
    package static let relrSize = Tag(rawValue: 35)
    package static let relr = Tag(rawValue: 36)
    package static let relrEntry = Tag(rawValue: 37)
    package static let depAudit = Tag(rawValue: 0x6fff_fefb)
    package static let audit = Tag(rawValue: 0x6fff_fefc)
    package static let gnuHash = Tag(rawValue: 0x6fff_fef5)
    package static let relativeCount = Tag(rawValue: 0x6fff_fff9)
    package static let versionTable = Tag(rawValue: 0x6fff_fff0)
    package static let flags1 = Tag(rawValue: 0x6fff_fffb)
    package static let versionDefinitions = Tag(rawValue: 0x6fff_fffc)
    package static let versionDefinitionCount = Tag(rawValue: 0x6fff_fffd)
    package static let versionNeeds = Tag(rawValue: 0x6fff_fffe)
    package static let versionNeedCount = Tag(rawValue: 0x6fff_ffff)
    package static let auxiliary = Tag(rawValue: 0x7fff_fffd)
    package static let filter = Tag(rawValue: 0x7fff_ffff)
  }
}

extension Array where Element == DynamicEntry {
  /// The value of `tag`; of several the last, which is the one that the loader takes.
  package func value(of tag: DynamicEntry.Tag) -> UInt64? { last { $0.tag == tag }?.value }

  /// The address in `tag`.
  func address(of tag: DynamicEntry.Tag) -> VirtualAddress? {
    value(of: tag).map(VirtualAddress.init)
  }
}

extension ElfImage {
  /// Reads the dynamic segment from where the loader does: from its address.
  static func dynamicEntries(
    _ segments: [ProgramHeader], _ memory: MappedFile
  ) throws(FormatError) -> [DynamicEntry] {
    guard let segment = segments.last(where: { $0.kind == .dynamic }) else { return [] }
    var reader = try memory.reader(segment.address, segment.fileSize, "the dynamic segment")
    var entries: [DynamicEntry] = []
    while entries.count < ElfLimits.dynamicEntries {
      let tag = DynamicEntry.Tag(rawValue: try reader.little())
      let value = try reader.little(UInt64.self)
      if tag.rawValue == 0 { return entries }
      entries.append(DynamicEntry(tag: tag, value: value))
    }
    throw FormatError(
      .overLimit(
        "number of dynamic entries", found: UInt64(entries.count) + 1,
        limit: UInt64(ElfLimits.dynamicEntries)), at: reader.position)
  }

  /// Returns the text that `tag` names in the dynamic string table, once for each entry.
  package func dynamicStrings(_ tag: DynamicEntry.Tag) throws(FormatError) -> [String] {
    var strings: [String] = []
    for entry in dynamic where entry.tag == tag {
      strings.append(try dynamicString(at: entry.value))
    }
    return strings
  }

  /// Returns the versions of the dynamic symbols.
  func symbolVersions() throws(FormatError) -> SymbolVersions {
    let memory = MappedFile(bytes: bytes, segments: programHeaders)
    return try SymbolVersions(dynamic: dynamic, memory: memory, count: UInt64(symbols.count))
  }

  /// Returns the text at `offset` of the dynamic string table.
  func dynamicString(at offset: UInt64) throws(FormatError) -> String {
    let memory = MappedFile(bytes: bytes, segments: programHeaders)
    var table = try DynamicSymbolTable(dynamic: dynamic, memory: memory).strings()
    return try table.string(at: offset)
  }
}
