package import Bytes

/// The processors whose files are read: 64 bits, little-endian.
package enum ElfMachine: UInt16, CaseIterable, Sendable {
  /// EM_X86_64.
  case x8664 = 62
  /// EM_AARCH64.
  case aarch64 = 183
  /// EM_RISCV.
  case riscv = 243
  /// EM_LOONGARCH.
  case loongArch = 258

  /// The name as `uname -m` prints it.
  package var name: String {
    switch self {
    case .x8664: "x86_64"
    case .aarch64: "aarch64"
    case .riscv: "riscv64"
    case .loongArch: "loongarch64"
    }
  }

  /// `e_flags` of code for the ABI that Linux uses there.
  package var flags: UInt32 {
    switch self {
    case .x8664, .aarch64: 0
    // EF_RISCV_RVC and the double-float ABI.
    case .riscv: 0x5
    // EF_LOONGARCH_ABI_DOUBLE_FLOAT and object file ABI 1.
    case .loongArch: 0x43
    }
  }

  /// The one this code was compiled for.
  package static var host: ElfMachine {
    #if arch(x86_64)
    .x8664
    #elseif arch(arm64)
    .aarch64
    #elseif arch(loongarch64)
    .loongArch
    #elseif arch(riscv64)
    .riscv
    #else
    #error("no ELF machine is known for this architecture")
    #endif
  }

  /// The smallest page that Linux uses there.
  package var pageSize: UInt64 {
    switch self {
    case .x8664, .aarch64, .riscv: 4096
    case .loongArch: 16_384
    }
  }
}

/// The file header (ELF-64 object file format, section 3).
package struct ElfHeader: Equatable, Sendable {
  /// Size of the header in the file.
  package static let byteCount: UInt64 = 64

  /// What the file is; `e_type`.
  package enum FileType: UInt16, Sendable {
    /// ET_REL.
    case relocatable = 1
    /// ET_EXEC.
    case executable = 2
    /// ET_DYN.
    case sharedObject = 3
    /// ET_CORE.
    case core = 4
  }

  /// Whom the code is for.
  package let machine: ElfMachine
  /// What the file is.
  package let type: FileType
  /// Processor-specific flags: the floating-point ABI on LoongArch and RISC-V.
  package let flags: UInt32
  /// `EI_OSABI`.
  package let osABI: UInt8
  /// Where execution would start.
  package let entry: VirtualAddress
  /// File offset of the program headers, and their number.
  package let programHeaders: (offset: UInt64, count: UInt16)
  /// File offset of the section headers, and their number as the header gives it.
  package let sectionHeaders: (offset: UInt64, count: UInt16)
  /// Index of the section with the sections' names, as the header gives it.
  package let nameSection: UInt16

  /// Reads the first 64 bytes of a file.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    var reader = ByteReader(bytes)
    guard try reader.bytes(4) == [0x7f, 0x45, 0x4c, 0x46] else {
      throw FormatError(.illegal("something else than the ELF magic"), at: 0)
    }
    guard try reader.byte() == 2 else {
      throw FormatError(.unsupported("an ELF class other than 64 bits"), at: 4)
    }
    guard try reader.byte() == 1 else {
      throw FormatError(.unsupported("a byte order other than little-endian"), at: 5)
    }
    guard try reader.byte() == 1 else { throw FormatError(.unsupported("the ELF version"), at: 6) }
    osABI = try reader.byte()
    try reader.skip(8)
    type = try Self.fileType(&reader)
    machine = try Self.machine(&reader)
    guard try reader.little(UInt32.self) == 1 else {
      throw FormatError(.unsupported("the ELF version"), at: 20)
    }
    entry = VirtualAddress(try reader.little())
    let tables: (program: UInt64, section: UInt64) = (try reader.little(), try reader.little())
    flags = try reader.little()
    try Self.expect(&reader, UInt16(Self.byteCount), "the size of the file header")
    let program = try Self.table(&reader, ProgramHeader.byteCount, "the size of a program header")
    let section = try Self.table(&reader, ElfSection.byteCount, "the size of a section header")
    programHeaders = (tables.program, program)
    sectionHeaders = (tables.section, section)
    nameSection = try reader.little()
  }

  /// Compares field by field.
  package static func == (left: ElfHeader, right: ElfHeader) -> Bool {
    (left.machine, left.type, left.flags, left.osABI, left.entry, left.nameSection)
      == (right.machine, right.type, right.flags, right.osABI, right.entry, right.nameSection)
      && left.programHeaders == right.programHeaders && left.sectionHeaders == right.sectionHeaders
  }

  private static func fileType(_ reader: inout ByteReader) throws(FormatError) -> FileType {
    let offset = reader.position
    let raw = try reader.little(UInt16.self)
    guard let type = FileType(rawValue: raw) else {
      throw FormatError(.unsupported("file type \(raw)"), at: offset)
    }
    return type
  }

  private static func machine(_ reader: inout ByteReader) throws(FormatError) -> ElfMachine {
    let offset = reader.position
    let raw = try reader.little(UInt16.self)
    guard let machine = ElfMachine(rawValue: raw) else {
      throw FormatError(.unsupported("machine \(raw)"), at: offset)
    }
    return machine
  }

  private static func expect(
    _ reader: inout ByteReader, _ value: UInt16, _ what: String
  ) throws(FormatError) {
    let offset = reader.position
    let found = try reader.little(UInt16.self)
    guard found == value else {
      throw FormatError(.illegal("\(what), \(found) instead of \(value)"), at: offset)
    }
  }

  /// Reads an entry size and a count; the size says nothing when there are no entries.
  private static func table(
    _ reader: inout ByteReader, _ size: UInt64, _ what: String
  ) throws(FormatError) -> UInt16 {
    let offset = reader.position
    let found = try reader.little(UInt16.self)
    let count = try reader.little(UInt16.self)
    guard count == 0 || UInt64(found) == size else {
      throw FormatError(.illegal("\(what), \(found) instead of \(size)"), at: offset)
    }
    return count
  }
}
