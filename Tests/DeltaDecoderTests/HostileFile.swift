import CodeReferences

/// An ELF file that no linker made: sections of every role with contents that look like theirs, and
/// headers that lie.
struct HostileFile {
  private(set) var bytes: [UInt8] = Array(repeating: 0, count: ElfLayout.headerSize)
  private var sections = [SectionHeader()]
  private var names: [UInt8] = [0]

  private static let kinds: [(name: String, type: UInt32, flags: UInt64, entry: UInt64)] = [
    (".text", 1, 6, 0), (".plt", 1, 6, 16), (".eh_frame", 1, 2, 0), (".eh_frame_hdr", 1, 2, 0),
    (".rodata", 1, 2, 0), (".data", 1, 3, 0), (".dynsym", 11, 2, 24), (".dynstr", 3, 2, 0),
    (".rela.dyn", 4, 2, 24), (".rela.plt", 4, 0x42, 24), (".dynamic", 6, 3, 16),
    (".gnu.hash", 0x6fff_fff6, 2, 0), (".got", 1, 3, 8), (".init_array", 14, 3, 8),
    (".relr.dyn", 19, 2, 8), (".bss", 8, 3, 0), (".gnu.version", 0x6fff_ffff, 2, 2),
    (".gnu.version_r", 0x6fff_fffe, 2, 0), (".note", 7, 2, 0), (".comment", 1, 0, 1),
    (".gcc_except_table", 1, 2, 0), (".tbss", 8, 0x403, 0),
  ]
  private static let extremes: [UInt64] = [
    0, 1, 2, 7, 64, 4096, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 40, 1 << 62,
    1 << 63 - 1, 1 << 63, .max - 7, .max,
  ]

  /// Makes a file; `machine` is that of its header.
  init(machine: UInt16, using generator: inout SeededChoices) {
    for _ in 0..<generator.below(14) { addSection(&generator) }
    let table = SectionHeader.typeStrings
    add(".shstrtab", table, 0, 0, names + Array(".shstrtab\0".utf8))
    let segments = addSegments(&generator)
    while bytes.count % 8 != 0 { bytes.append(0) }
    let start = UInt64(bytes.count)
    for _ in 0..<generator.lies { lie(&generator) }
    for section in sections { bytes += section.encoded }
    writeHeader(machine, start: start, segments: segments, &generator)
    if generator.below(8) == 0 { bytes.removeLast(generator.below(bytes.count)) }
  }

  /// Makes a file with nothing but `code` bytes of code, none of which lies.
  init(machine: UInt16, code: Int, using generator: inout SeededChoices) {
    add(".text", 1, 6, 0, generator.bytes(code))
    add(".shstrtab", SectionHeader.typeStrings, 0, 0, names + Array(".shstrtab\0".utf8))
    while bytes.count % 8 != 0 { bytes.append(0) }
    let start = UInt64(bytes.count)
    for section in sections { bytes += section.encoded }
    writeHeader(machine, start: start, segments: addSegments(&generator), &generator)
  }

  private mutating func addSection(_ generator: inout SeededChoices) {
    let kind = Self.kinds[generator.below(Self.kinds.count)]
    let count = generator.below(4) == 0 ? generator.below(2000) : generator.below(200)
    let place = UInt64(bytes.count)
    add(kind.name, kind.type, kind.flags, kind.entry, contents(kind.name, count, place, &generator))
    sections[sections.count - 1].link = UInt32(generator.below(sections.count + 2))
    if kind.flags & 0x40 != 0 { sections[sections.count - 1].info = 1 }
  }

  private mutating func add(
    _ name: String, _ type: UInt32, _ flags: UInt64, _ entry: UInt64, _ contents: [UInt8]
  ) {
    var header = SectionHeader()
    header.nameOffset = UInt32(names.count)
    names += Array(name.utf8) + [0]
    (header.type, header.flags, header.entrySize, header.alignment) = (type, flags, entry, 8)
    header.offset = UInt64(bytes.count)
    header.size = UInt64(contents.count)
    header.address = flags & 2 != 0 ? header.offset + 0x1000 : 0
    if type != SectionHeader.typeNoBits { bytes += contents }
    sections.append(header)
  }

  private func contents(
    _ name: String, _ count: Int, _ place: UInt64, _ generator: inout SeededChoices
  ) -> [UInt8] {
    var result: [UInt8] = []
    while result.count < count {
      switch name {
      case ".eh_frame": result += frame(result.count, &generator)
      case ".text", ".plt": result += instruction(&generator)
      case ".dynstr": result += generator.bytes(6, below: 60).map { $0 < 9 ? 0 : $0 + 50 }
      default:
        let address = 0x1000 + UInt64(generator.below(max(1, Int(place))))
        let tag = UInt64(generator.below(37))
        let value = generator.below(3) == 0 ? address : generator.below(2) == 0 ? tag : 0
        result += littleEndian(generator.below(9) == 0 ? generator.next() : value, 8)
      }
    }
    return Array(result.prefix(count))
  }

  private func instruction(_ generator: inout SeededChoices) -> [UInt8] {
    let distance = littleEndian(UInt64(generator.below(600)) &- 300, 4)
    switch generator.below(8) {
    case 0: return [0xe8] + distance
    case 1: return [0x48, 0x8d, 0x05] + distance
    case 2: return littleEndian(UInt64(0x9000_0000 | generator.below(1 << 24)), 4)
    case 3: return littleEndian(UInt64(0x9400_0000 | generator.below(256)), 4)
    case 4: return [0x68] + littleEndian(UInt64(generator.below(9)), 4)
    case 5: return [0x74, UInt8(generator.below(200))]
    default: return generator.bytes(4)
    }
  }

  private func frame(_ place: Int, _ generator: inout SeededChoices) -> [UInt8] {
    if place == 0 {
      return littleEndian(20, 4) + [0, 0, 0, 0, 1, 0x7a, 0x52, 0, 1, 0x78, 16, 1, 0x1b]
        + Array(repeating: 0, count: 7)
    }
    if generator.below(6) == 0 { return littleEndian(UInt64(generator.below(3)), 4) }
    return littleEndian(20, 4) + littleEndian(UInt64(place + 4), 4)
      + littleEndian(UInt64(generator.below(900)) &- 800, 4)
      + littleEndian(UInt64(generator.below(64)), 4) + Array(repeating: 0, count: 8)
  }

  private mutating func addSegments(_ generator: inout SeededChoices) -> (UInt64, Int) {
    let start = UInt64(bytes.count)
    let count = generator.below(4)
    for index in 0..<count {
      let type = [1, 1, 2, 0x6474_e550] as [UInt64]
      let size = UInt64(generator.below(bytes.count))
      let offset = UInt64(generator.below(bytes.count))
      bytes += littleEndian(index == 0 ? 1 : type[generator.below(4)], 4) + littleEndian(5, 4)
      for value in [offset, offset + 0x1000, offset + 0x1000, size, size + 64, 4096] {
        let lies = generator.lies > 0 && generator.below(20) == 0
        bytes += littleEndian(lies ? Self.extreme(&generator) : value, 8)
      }
    }
    return (start, count)
  }

  private static func extreme(_ generator: inout SeededChoices) -> UInt64 {
    extremes[generator.below(extremes.count)]
  }

  private mutating func lie(_ generator: inout SeededChoices) {
    let section = generator.below(sections.count)
    let value = Self.extreme(&generator)
    let place = UInt64(generator.below(bytes.count))
    switch generator.below(10) {
    case 0: sections[section].offset = value
    case 1: sections[section].offset = place
    case 2: sections[section].size = value
    case 3: sections[section].size = place
    case 4: sections[section].address = value
    case 5: sections[section].type = UInt32(truncatingIfNeeded: value)
    case 6: sections[section].flags = value
    case 7: sections[section].link = UInt32(truncatingIfNeeded: value)
    case 8: sections[section].entrySize = value
    default: sections[section] = sections[generator.below(sections.count)]
    }
  }

  private mutating func writeHeader(
    _ machine: UInt16, start: UInt64, segments: (start: UInt64, count: Int),
    _ generator: inout SeededChoices
  ) {
    let isHidden = generator.below(6) == 0
    let lies = generator.lies > 0 && generator.below(4) == 0
    var header: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0] + Array(repeating: 0, count: 8)
    header += littleEndian(generator.below(8) == 0 ? 1 : 3, 2) + littleEndian(UInt64(machine), 2)
    header += littleEndian(1, 4) + littleEndian(0, 8)
    header += littleEndian(
      segments.count == 0 && lies ? Self.extreme(&generator) : segments.start, 8)
    header += littleEndian(isHidden ? 0 : start, 8) + littleEndian(0, 4) + littleEndian(64, 2)
    header += littleEndian(56, 2) + littleEndian(UInt64(segments.count), 2) + littleEndian(64, 2)
    header += littleEndian(isHidden ? 0 : UInt64(sections.count), 2)
    header += littleEndian(UInt64(sections.count - 1), 2)
    bytes.replaceSubrange(0..<ElfLayout.headerSize, with: header)
  }
}

/// The lowest `count` bytes of `value`.
func littleEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
}
