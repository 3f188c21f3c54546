internal import Bytes

/// One section: what the linker and tools see; the loader does not read it.
package struct ElfSection: Equatable, Sendable {
  /// Size of one entry in the file.
  package static let byteCount: UInt64 = 64

  /// `sh_type`; a value that has no name here is kept as it is.
  package struct Kind: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let null = Kind(rawValue: 0)
    package static let programBits = Kind(rawValue: 1)
    package static let symbolTable = Kind(rawValue: 2)
    package static let stringTable = Kind(rawValue: 3)
    package static let relocationsWithAddend = Kind(rawValue: 4)
    package static let dynamic = Kind(rawValue: 6)
    package static let note = Kind(rawValue: 7)
    package static let noBits = Kind(rawValue: 8)
    package static let dynamicSymbols = Kind(rawValue: 11)
  }

  /// The name.
  package let name: String
  /// What it holds.
  package let kind: Kind
  /// `sh_flags`.
  package let flags: UInt64
  /// Where it lies in the image; zero when it is not mapped.
  package let address: VirtualAddress
  /// Where it lies in the file.
  package let offset: UInt64
  /// Bytes in memory, and in the file unless it holds no bits.
  package let size: UInt64
  /// `sh_link`.
  package let link: UInt32
  /// `sh_info`.
  package let info: UInt32
  /// `sh_addralign`.
  package let alignment: UInt64
  /// `sh_entsize`.
  package let entrySize: UInt64

  /// SHF_ALLOC.
  package var isAllocated: Bool { flags & 2 != 0 }
}

/// One entry of the section header table, before its name has been looked up.
struct RawSection {
  let nameOffset: UInt32
  let kind: ElfSection.Kind
  let flags: UInt64
  let address: VirtualAddress
  let offset: UInt64
  let size: UInt64
  let link: UInt32
  let info: UInt32
  let alignment: UInt64
  let entrySize: UInt64

  init(parsing reader: inout ByteReader) throws(FormatError) {
    nameOffset = try reader.little()
    kind = ElfSection.Kind(rawValue: try reader.little())
    flags = try reader.little()
    address = VirtualAddress(try reader.little())
    offset = try reader.little()
    size = try reader.little()
    link = try reader.little()
    info = try reader.little()
    alignment = try reader.little()
    entrySize = try reader.little()
  }

  func named(_ name: String) -> ElfSection {
    ElfSection(
      name: name, kind: kind, flags: flags, address: address, offset: offset, size: size,
      link: link,
      info: info, alignment: alignment, entrySize: entrySize)
  }
}
