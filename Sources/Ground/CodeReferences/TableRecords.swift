/// A record of a symbol table (ELF gABI, "Symbol Table").
enum SymbolRecord {
  static let byteCount = 24
  private static let threadLocal: UInt8 = 6
  /// `SHN_LORESERVE`: indices from here on are no sections.
  private static let firstReserved: UInt16 = 0xff00

  /// Writes the fields of the record at `start` into the page from `base` on.
  ///
  /// The name is a field when it is not 0; the value, when the symbol is defined in a section and not
  /// thread-local; the size, when the value is one and it is not 0.
  @inline(__always)
  static func paint(
    _ bytes: Span<UInt8>, at start: Int, _ kinds: inout MutableSpan<UInt8>, base: Int
  ) {
    if bytes.littleEndian32(at: start) != 0 {
      kinds.paint(.stringOffset, at: start &- base, count: 4)
    }
    let section = bytes.littleEndian16(at: start &+ 6)
    guard section != 0, section < firstReserved, bytes[start &+ 4] & 15 != threadLocal else {
      return
    }
    kinds.paint(.address64, at: start &+ 8 &- base, count: 8)
    if bytes.littleEndian64(at: start &+ 16) != 0 {
      kinds.paint(.symbolSize, at: start &+ 16 &- base, count: 8)
    }
  }
}

/// A record of `.dynamic` (ELF gABI, "Dynamic Section").
enum DynamicRecord {
  static let byteCount = 16

  /// Writes the field of the record at `start` into the page from `base` on.
  @inline(__always)
  static func paint(
    _ bytes: Span<UInt8>, at start: Int, _ kinds: inout MutableSpan<UInt8>, base: Int
  ) {
    let kind = kind(ofTag: bytes.littleEndian64(at: start))
    if kind != .none { kinds.paint(kind, at: start &+ 8 &- base, count: 8) }
  }

  /// What the value of an entry with this tag is.
  static func kind(ofTag tag: UInt64) -> ByteKind {
    switch tag {
    // PLTGOT, HASH, STRTAB, SYMTAB, RELA, INIT, FINI, REL, JMPREL, INIT_ARRAY, FINI_ARRAY,
    // PREINIT_ARRAY, RELR.
    case 3, 4, 5, 6, 7, 12, 13, 17, 23, 25, 26, 32, 36: .address64
    // GNU_HASH, TLSDESC_PLT, TLSDESC_GOT, VERSYM, VERDEF, VERNEED.
    case 0x6fff_fef5, 0x6fff_fef6, 0x6fff_fef7, 0x6fff_fff0, 0x6fff_fffc, 0x6fff_fffe: .address64
    // PLTRELSZ, RELASZ, STRSZ, RELSZ, INIT_ARRAYSZ, FINI_ARRAYSZ, PREINIT_ARRAYSZ, RELRSZ.
    case 2, 8, 10, 18, 27, 28, 33, 35: .sectionSize
    // NEEDED, SONAME, RPATH, RUNPATH, AUXILIARY, FILTER.
    case 1, 14, 15, 29, 0x7fff_fffd, 0x7fff_ffff: .stringOffset
    default: .none
    }
  }
}

/// A table of relocations (ELF gABI, "Relocation").
struct RelocationTable {
  private let range: Range<Int>
  private let isRelocatable: Bool
  /// How many bytes a record has: RELA records have an addend.
  let stride: Int
  /// The types of which the addend is an address: `R_*_RELATIVE` and `R_*_IRELATIVE`.
  private let addressTypes: (UInt32, UInt32)

  /// The table that is section `section`.
  init(_ section: Int, layout: ElfLayout, range: Range<Int>) {
    self.range = range
    isRelocatable = layout.isRelocatable
    stride = layout.sections[section].type == SectionHeader.typeRela ? 24 : 16
    addressTypes = Self.addressTypes(layout.machine)
  }

  private static func addressTypes(_ machine: UInt16) -> (UInt32, UInt32) {
    switch machine {
    case FieldMap.machineX86: (8, 37)
    case 183: (1027, 1032)  // EM_AARCH64
    case 243: (3, 58)  // EM_RISCV
    case 258: (3, 12)  // EM_LOONGARCH
    default: (UInt32.max, UInt32.max)
    }
  }

  /// Writes the fields of the record at `start` into the page from `base` on.
  ///
  /// `r_offset` is a field unless the file is relocatable, the symbol index when it is not 0, the
  /// addend when the type says that it is an address.
  @inline(__always)
  func paint(
    _ bytes: Span<UInt8>, at start: Int, _ kinds: inout MutableSpan<UInt8>, base: Int
  ) {
    if !isRelocatable { kinds.paint(.address64, at: start &- base, count: 8) }
    if bytes.littleEndian32(at: start &+ 12) != 0 {
      kinds.paint(.symbolIndex, at: start &+ 12 &- base, count: 4)
    }
    guard stride == 24 else { return }
    let type = bytes.littleEndian32(at: start &+ 8)
    guard type == addressTypes.0 || type == addressTypes.1 else { return }
    kinds.paint(.address64, at: start &+ 16 &- base, count: 8)
  }

  /// Adds the slots that the records name.
  func gather(
    _ bytes: Span<UInt8>, _ layout: ElfLayout, _ candidates: inout SparseFields.Candidates
  ) {
    guard !isRelocatable else { return }
    var slots = SlotFinder(layout)
    var start = range.lowerBound
    while start <= range.upperBound &- stride, !candidates.isFull {
      slots.add(bytes.littleEndian64(at: start), bytes, &candidates)
      start &+= stride
    }
  }
}

/// A table of relative relocations (ELF gABI, "Relative Relocation Table").
struct RelativeTable {
  let range: Range<Int>

  /// Writes the fields of the table that lie in the page from `base` on.
  @inline(__always)
  static func paint(
    _ bytes: Span<UInt8>, at start: Int, _ kinds: inout MutableSpan<UInt8>, base: Int
  ) {
    let isBitmap = bytes[start] & 1 != 0
    kinds.paint(
      isBitmap ? .relativeBitmap : .relativeRelocation, at: start &- base, count: 8)
  }

  /// Adds the slots that the words name: an even word one, an odd word some of the 63 that follow.
  func gather(
    _ bytes: Span<UInt8>, _ layout: ElfLayout, _ candidates: inout SparseFields.Candidates
  ) {
    var slots = SlotFinder(layout)
    var next: UInt64 = 0
    var start = range.lowerBound
    while start <= range.upperBound &- 8, !candidates.isFull {
      let word = bytes.littleEndian64(at: start)
      start &+= 8
      if word & 1 == 0 {
        slots.add(word, bytes, &candidates)
        next = word &+ 8
        continue
      }
      var bits = word >> 1
      while bits != 0 {
        slots.add(next &+ UInt64(bits.trailingZeroBitCount) &* 8, bytes, &candidates)
        bits &= bits &- 1
      }
      next &+= 63 &* 8
    }
  }
}

/// Finds which of the slots that the loader relocates hold an address in the file already.
struct SlotFinder {
  private let layout: ElfLayout
  /// The section of the slot before: most slots of a table are in one.
  private var range: Range<Int> = 0..<0
  private var address: UInt64 = 0

  /// Looks in the file of this layout.
  init(_ layout: ElfLayout) { self.layout = layout }

  /// Adds the slot at `slot` when it lies in data or read-only data, all eight bytes in one section,
  /// and its content is an address of a section, not 0.
  @inline(__always)
  mutating func add(
    _ slot: UInt64, _ bytes: Span<UInt8>, _ candidates: inout SparseFields.Candidates
  ) {
    candidates.slotsLeft &-= 1
    if slot &- address >= UInt64(range.count) { find(slot) }
    guard slot &- address < UInt64(range.count) else { return }
    let offset = range.lowerBound &+ Int(slot &- address)
    guard offset <= range.upperBound &- 8 else { return }
    let content = bytes.littleEndian64(at: offset)
    guard content != 0, layout.section(atAddress: content) != nil else { return }
    candidates.append(.address64, at: offset)
  }

  private mutating func find(_ slot: UInt64) {
    (range, address) = (0..<0, 0)
    guard let section = layout.section(atAddress: slot) else { return }
    let role = layout.role(section)
    guard role == .data || role == .readOnly else { return }
    range = FieldMap.fieldRange(section, of: layout)
    address = layout.address(of: section)
  }
}

/// A table of symbol versions (LSB Core, "Symbol Versioning").
struct VersionTable {
  private let range: Range<Int>
  private let type: UInt32

  /// The table that is section `section`.
  init(_ section: Int, layout: ElfLayout, range: Range<Int>) {
    self.range = range
    type = layout.sections[section].type
  }

  /// Marks the records, and adds the offsets of names: `vn_file`, `vna_name` and `vda_name`.
  func gather(
    _ bytes: Span<UInt8>, _ bitmap: inout StartBitmap, _ candidates: inout SparseFields.Candidates
  ) {
    guard type != SectionHeader.typeVersions else { return bitmap.insert(every: 2, in: range) }
    let isNeeds = type == SectionHeader.typeVersionNeeds
    var record = range.lowerBound
    var left = candidates.versionsLeft
    defer { candidates.versionsLeft = left }
    while left > 0, record <= range.upperBound &- (isNeeds ? 16 : 20) {
      left &-= 1
      bitmap.insert(record)
      if isNeeds { candidates.append(.stringOffset, at: record &+ 4) }
      let chain = bytes.littleEndian32(at: record &+ (isNeeds ? 8 : 12))
      var entry = record &+ Int(chain)
      while left > 0, entry <= range.upperBound &- (isNeeds ? 16 : 8) {
        left &-= 1
        bitmap.insert(entry)
        candidates.append(.stringOffset, at: entry &+ (isNeeds ? 8 : 0))
        let step = Int(bytes.littleEndian32(at: entry &+ (isNeeds ? 12 : 4)))
        guard step > 0 else { break }
        entry &+= step
      }
      let step = Int(bytes.littleEndian32(at: record &+ (isNeeds ? 12 : 16)))
      guard step > 0 else { break }
      record &+= step
    }
  }
}
