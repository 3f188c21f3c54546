/// One section header as it stands in the file; nothing is believed (ELF gABI, "Section Header Table").
package struct SectionHeader: Equatable, Sendable {
  /// Where the name stands in the section name table.
  package var nameOffset: UInt32
  /// What the section holds (`sh_type`).
  package var type: UInt32
  /// How it is used (`sh_flags`).
  package var flags: UInt64
  /// Where it is in memory, 0 when it is not.
  package var address: UInt64
  /// Where it is in the file.
  package var offset: UInt64
  /// How long it is, in memory when it has no bytes in the file.
  package var size: UInt64
  /// Index of a section that belongs to it.
  package var link: UInt32
  /// Meaning depends on the type.
  package var info: UInt32
  /// What the address is a multiple of.
  package var alignment: UInt64
  /// Size of the entries of a table.
  package var entrySize: UInt64

  /// How many bytes a header has in the file.
  package static let byteCount = 64

  /// A header with every field 0, as that of section 0.
  package init() {
    (nameOffset, type, flags, address, offset) = (0, 0, 0, 0, 0)
    (size, link, info, alignment, entrySize) = (0, 0, 0, 0, 0)
  }

  /// Reads the header at `start`; fields that lie beyond the bytes are 0.
  package init(parsing bytes: Span<UInt8>, at start: Int = 0) {
    nameOffset = bytes.littleEndian32(at: start)
    type = bytes.littleEndian32(at: start &+ 4)
    flags = bytes.littleEndian64(at: start &+ 8)
    address = bytes.littleEndian64(at: start &+ 16)
    offset = bytes.littleEndian64(at: start &+ 24)
    size = bytes.littleEndian64(at: start &+ 32)
    link = bytes.littleEndian32(at: start &+ 40)
    info = bytes.littleEndian32(at: start &+ 44)
    alignment = bytes.littleEndian64(at: start &+ 48)
    entrySize = bytes.littleEndian64(at: start &+ 56)
  }

  /// The 64 bytes of the header.
  package var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.byteCount)
    bytes.append(littleEndian: UInt64(nameOffset), count: 4)
    bytes.append(littleEndian: UInt64(type), count: 4)
    for value in [flags, address, offset, size] { bytes.append(littleEndian: value, count: 8) }
    bytes.append(littleEndian: UInt64(link), count: 4)
    bytes.append(littleEndian: UInt64(info), count: 4)
    for value in [alignment, entrySize] { bytes.append(littleEndian: value, count: 8) }
    return bytes
  }
}

/// Values of `sh_type` and `sh_flags`.
extension SectionHeader {
  package static let typeNull: UInt32 = 0
  package static let typeProgram: UInt32 = 1
  package static let typeSymbols: UInt32 = 2
  package static let typeStrings: UInt32 = 3
  package static let typeRela: UInt32 = 4
  package static let typeHash: UInt32 = 5
  package static let typeDynamic: UInt32 = 6
  package static let typeNote: UInt32 = 7
  package static let typeNoBits: UInt32 = 8
  package static let typeRel: UInt32 = 9
  package static let typeDynamicSymbols: UInt32 = 11
  package static let typeInitArray: UInt32 = 14
  package static let typeFiniArray: UInt32 = 15
  package static let typePreinitArray: UInt32 = 16
  package static let typeRelr: UInt32 = 19
  package static let typeGNUHash: UInt32 = 0x6fff_fff6
  package static let typeVersionDefinitions: UInt32 = 0x6fff_fffd
  package static let typeVersionNeeds: UInt32 = 0x6fff_fffe
  package static let typeVersions: UInt32 = 0x6fff_ffff

  package static let flagWritable: UInt64 = 1
  package static let flagAllocated: UInt64 = 2
  package static let flagExecutable: UInt64 = 4
  package static let flagThreadLocal: UInt64 = 0x400

  /// Whether the section is part of the image in memory.
  package var isAllocated: Bool { flags & Self.flagAllocated != 0 }
  /// Whether it takes no bytes of the file.
  package var hasNoBytes: Bool { type == Self.typeNoBits || type == Self.typeNull }
}
