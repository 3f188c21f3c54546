import CodeReferences

/// An ELF file whose headers are changed as no linker would.
struct EditedElf {
  var bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// How many section headers the file has.
  var sectionCount: Int { Int(bytes[60]) | Int(bytes[61]) << 8 }

  /// Where the section headers are.
  var tableOffset: Int { (0..<8).reduce(0) { $0 | Int(bytes[40 + $1]) << (8 * $1) } }

  /// A section header, to read or to write.
  subscript(section: Int) -> SectionHeader {
    get { SectionHeader(parsing: bytes.span, at: tableOffset + 64 * section) }
    set {
      let start = tableOffset + 64 * section
      bytes.replaceSubrange(start..<start + 64, with: newValue.encoded)
    }
  }

  mutating func set16(_ value: UInt16, at offset: Int) {
    bytes[offset] = UInt8(value & 0xff)
    bytes[offset + 1] = UInt8(value >> 8)
  }

  mutating func set64(_ value: UInt64, at offset: Int) {
    for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  /// Takes the section headers away from the file's header.
  mutating func hideSections() {
    set64(0, at: 40)
    set16(0, at: 60)
  }
}

/// The layout of a file, or nil when it has none.
func layoutOf(_ bytes: [UInt8]) -> ElfLayout? { ElfLayout(bytes.span) }

/// The proposal for `.gnu.hash`.
func gnuHash(_ section: Int, layout: ElfLayout, bytes: [UInt8]) -> [UInt8]? {
  DerivedTables.gnuHash(section, layout: layout, bytes: bytes.span)
}

/// The proposal for `.eh_frame_hdr`.
func frameHeader(
  _ section: Int, layout: ElfLayout, frames: Int, bytes: [UInt8]
) -> [UInt8]? {
  DerivedTables.frameHeader(section, layout: layout, frames: frames, bytes: bytes.span)
}
