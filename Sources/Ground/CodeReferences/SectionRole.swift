/// What a section is for, as far as its bytes are foretold differently.
///
/// The numbers are part of the format. The role of a base's section follows from its header and its
/// name; a target's section has the role of the base's section it is paired with, or else that of its
/// header alone, because the names of a target are not known when its layout is made.
package enum SectionRole: UInt8, CaseIterable, Sendable {
  /// No section: what lies between sections.
  case gap = 0
  /// Instructions.
  case code = 1
  /// Constants.
  case readOnly = 2
  /// Variables, and constants that hold addresses.
  case data = 3
  /// A symbol table.
  case symbols = 4
  /// A string table.
  case strings = 5
  /// RELA or REL records.
  case relocations = 6
  /// `.eh_frame`.
  case frames = 7
  /// What is not loaded and nothing else here: debugging information, comments.
  case unallocated = 8
  /// `.dynamic`.
  case dynamic = 9
  /// Versions of symbols: which each symbol has, which there are, which are needed.
  case versions = 10
  /// No bytes in the file.
  case empty = 11
  /// `.eh_frame_hdr`.
  case frameHeader = 12
  /// A hash table of symbols, GNU or System V.
  case hash = 13
  /// Words that are addresses: `.init_array` and its like, `.got`.
  case pointers = 14
  /// RELR words.
  case relativeRelocations = 15
  /// Entries that jump to other images; instructions.
  case plt = 16
  /// `.gcc_except_table`.
  case exceptions = 17
  /// Notes.
  case notes = 18

  /// Whether the section holds instructions.
  package var isCode: Bool { self == .code || self == .plt }

  /// The role that a header gives without its name.
  package init(_ header: SectionHeader) {
    switch header.type {
    case SectionHeader.typeNull, SectionHeader.typeNoBits: self = .empty
    case SectionHeader.typeSymbols, SectionHeader.typeDynamicSymbols: self = .symbols
    case SectionHeader.typeStrings: self = .strings
    case SectionHeader.typeRela, SectionHeader.typeRel: self = .relocations
    case SectionHeader.typeDynamic: self = .dynamic
    case SectionHeader.typeHash, SectionHeader.typeGNUHash: self = .hash
    case SectionHeader.typeNote: self = .notes
    case SectionHeader.typeInitArray, SectionHeader.typeFiniArray, SectionHeader.typePreinitArray:
      self = .pointers
    case SectionHeader.typeRelr: self = .relativeRelocations
    case SectionHeader.typeVersions, SectionHeader.typeVersionNeeds,
      SectionHeader.typeVersionDefinitions:
      self = .versions
    default: self = Self.fromFlags(header.flags)
    }
  }

  /// The role that a header and a name give; a name is heeded only where the type says nothing.
  package init(_ header: SectionHeader, name: [UInt8]) {
    let plain = SectionRole(header)
    let named = Self.names.first { $0.plain == plain && name.elementsEqual($0.name.utf8) }
    self = named?.role ?? plain
  }

  /// What sections of these names are for that would else have the role `plain`.
  private static let names: [(plain: SectionRole, name: String, role: SectionRole)] = [
    (.readOnly, ".eh_frame", .frames),
    (.data, ".eh_frame", .frames),
    (.readOnly, ".eh_frame_hdr", .frameHeader),
    (.readOnly, ".gcc_except_table", .exceptions),
    (.readOnly, ".got", .pointers),
    (.data, ".got", .pointers),
    (.data, ".got.plt", .pointers),
    (.code, ".plt", .plt),
    (.code, ".plt.got", .plt),
    (.code, ".plt.sec", .plt),
    (.code, ".iplt", .plt),
  ]

  private static func fromFlags(_ flags: UInt64) -> SectionRole {
    if flags & SectionHeader.flagAllocated == 0 { return .unallocated }
    if flags & SectionHeader.flagExecutable != 0 { return .code }
    return flags & SectionHeader.flagWritable != 0 ? .data : .readOnly
  }
}
