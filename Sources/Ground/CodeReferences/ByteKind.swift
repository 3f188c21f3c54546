/// What a byte of a file is, as far as that helps to foretell what becomes of it.
///
/// The lower six bits name the kind; the numbers are part of the format (docs/format.md, "Fields").
/// All bytes of a field have its kind; `first` marks the first of them, `start` the first byte of an
/// instruction, a table record or a string.
///
/// Public and inlinable for speed alone: bodies of `package` functions do not reach other modules, and
/// calls of those here were a seventh of the time that decoding of code takes.
@frozen public struct ByteKind: RawRepresentable, Hashable, Sendable {
  /// Kind and marks.
  public let rawValue: UInt8

  /// Creates a kind from its number, with or without marks.
  @inlinable @inline(__always)
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Compares number and marks.
  @inlinable @inline(__always)
  public static func == (left: ByteKind, right: ByteKind) -> Bool {
    left.rawValue == right.rawValue
  }

  /// Matches a case of a `switch`; without this one, every case is a call of a witness.
  @inlinable @inline(__always)
  public static func ~= (pattern: ByteKind, value: ByteKind) -> Bool {
    pattern.rawValue == value.rawValue
  }

  /// How many kinds there can be.
  @inlinable public static var count: Int { 64 }
  /// The mark of the first byte of a field.
  @inlinable public static var first: UInt8 { 0x40 }
  /// The mark of the first byte of an instruction or record.
  @inlinable public static var start: UInt8 { 0x80 }

  /// The kind without marks.
  @inlinable @inline(__always)
  public var plain: ByteKind { ByteKind(rawValue: rawValue & 0x3f) }
  /// The number of the kind, 0 ..< 64.
  @inlinable @inline(__always)
  public var number: Int { Int(rawValue & 0x3f) }
  /// Whether a field begins here.
  @inlinable @inline(__always)
  public var isFirst: Bool { rawValue & Self.first != 0 }
  /// Whether an instruction or record begins here.
  @inlinable @inline(__always)
  public var isStart: Bool { rawValue & Self.start != 0 }

  /// Nothing is known.
  @inlinable public static var none: ByteKind { ByteKind(rawValue: 0) }

  // x86-64 code that holds no address.
  /// Prefixes, REX and VEX among them.
  @inlinable public static var prefix: ByteKind { ByteKind(rawValue: 1) }
  /// Opcode and escapes.
  @inlinable public static var opcode: ByteKind { ByteKind(rawValue: 2) }
  /// ModRM.
  @inlinable public static var modRM: ByteKind { ByteKind(rawValue: 3) }
  /// SIB.
  @inlinable public static var sib: ByteKind { ByteKind(rawValue: 4) }
  /// A displacement of one byte.
  @inlinable public static var displacement8: ByteKind { ByteKind(rawValue: 5) }
  /// A field of four bytes.
  @inlinable public static var displacement32: ByteKind { ByteKind(rawValue: 6) }
  /// An immediate of one byte.
  @inlinable public static var immediate8: ByteKind { ByteKind(rawValue: 7) }
  /// An immediate of two bytes.
  @inlinable public static var immediate16: ByteKind { ByteKind(rawValue: 8) }
  /// A field of four bytes.
  @inlinable public static var immediate32: ByteKind { ByteKind(rawValue: 9) }
  /// An immediate of eight bytes.
  @inlinable public static var immediate64: ByteKind { ByteKind(rawValue: 10) }
  /// A byte that begins no instruction.
  @inlinable public static var bad: ByteKind { ByteKind(rawValue: 11) }

  // x86-64 references, all relative to the end of the instruction.
  /// A branch of one byte.
  @inlinable public static var relative8: ByteKind { ByteKind(rawValue: 12) }
  /// A branch of four bytes.
  @inlinable public static var relative32: ByteKind { ByteKind(rawValue: 13) }
  /// `disp32(%rip)` with no immediate behind it.
  @inlinable public static var rip0: ByteKind { ByteKind(rawValue: 14) }
  /// The same with one byte of immediate behind it.
  @inlinable public static var rip1: ByteKind { ByteKind(rawValue: 15) }
  /// The same with two bytes.
  @inlinable public static var rip2: ByteKind { ByteKind(rawValue: 16) }
  /// The same with four bytes.
  @inlinable public static var rip4: ByteKind { ByteKind(rawValue: 17) }

  // AArch64: fields are whole words.
  /// A word without an address.
  @inlinable public static var armWord: ByteKind { ByteKind(rawValue: 18) }
  /// B, BL.
  @inlinable public static var armBranch26: ByteKind { ByteKind(rawValue: 19) }
  /// B.cond, CBZ, CBNZ, LDR (literal).
  @inlinable public static var armBranch19: ByteKind { ByteKind(rawValue: 20) }
  /// TBZ, TBNZ.
  @inlinable public static var armBranch14: ByteKind { ByteKind(rawValue: 21) }
  /// ADR.
  @inlinable public static var armADR: ByteKind { ByteKind(rawValue: 22) }
  /// ADRP, with a partner or without.
  @inlinable public static var armADRP: ByteKind { ByteKind(rawValue: 23) }
  /// ADD (immediate), or load or store with unsigned offset, of a register that ADRP has set.
  @inlinable public static var armLow12: ByteKind { ByteKind(rawValue: 24) }

  // LoongArch64: fields are whole words.
  /// A word without an address.
  @inlinable public static var loongWord: ByteKind { ByteKind(rawValue: 25) }
  /// B, BL.
  @inlinable public static var loongBranch26: ByteKind { ByteKind(rawValue: 26) }
  /// BEQZ, BNEZ, BCEQZ, BCNEZ.
  @inlinable public static var loongBranch21: ByteKind { ByteKind(rawValue: 27) }
  /// BEQ … BGEU.
  @inlinable public static var loongBranch16: ByteKind { ByteKind(rawValue: 28) }
  /// PCALAU12I, with a partner or without.
  @inlinable public static var loongPage: ByteKind { ByteKind(rawValue: 29) }
  /// ADDI.D, load or store of a register that PCALAU12I has set.
  @inlinable public static var loongLow12: ByteKind { ByteKind(rawValue: 30) }
  /// PCADDU18I; its partner, if it has one, is the JIRL directly behind it.
  @inlinable public static var loongCall: ByteKind { ByteKind(rawValue: 31) }
  /// PCADDI.
  @inlinable public static var loongPCAddI: ByteKind { ByteKind(rawValue: 32) }

  // RISC-V: words of four bytes, or two when compressed.
  /// A word without an address.
  @inlinable public static var riscWord: ByteKind { ByteKind(rawValue: 33) }
  /// A half word without an address.
  @inlinable public static var riscHalf: ByteKind { ByteKind(rawValue: 34) }
  /// JAL.
  @inlinable public static var riscJump: ByteKind { ByteKind(rawValue: 35) }
  /// BEQ … BGEU.
  @inlinable public static var riscBranch: ByteKind { ByteKind(rawValue: 36) }
  /// AUIPC, with a partner or without.
  @inlinable public static var riscPage: ByteKind { ByteKind(rawValue: 37) }
  /// The partner, I-type (loads, ADDI, JALR).
  @inlinable public static var riscLow12I: ByteKind { ByteKind(rawValue: 38) }
  /// The partner, S-type (stores).
  @inlinable public static var riscLow12S: ByteKind { ByteKind(rawValue: 39) }
  /// C.J.
  @inlinable public static var riscCompressedJump: ByteKind { ByteKind(rawValue: 40) }
  /// C.BEQZ, C.BNEZ.
  @inlinable public static var riscCompressedBranch: ByteKind { ByteKind(rawValue: 41) }

  // Tables.
  /// Eight bytes that are an address of the image.
  @inlinable public static var address64: ByteKind { ByteKind(rawValue: 42) }
  /// Four bytes: the index of a dynamic symbol, in `r_info`.
  @inlinable public static var symbolIndex: ByteKind { ByteKind(rawValue: 43) }
  /// Four bytes: an offset into the string table.
  ///
  /// In `.dynamic` eight bytes have the kind, of which the lower four are foretold.
  @inlinable public static var stringOffset: ByteKind { ByteKind(rawValue: 44) }
  /// Eight bytes: the size of a function or object (`st_size`).
  @inlinable public static var symbolSize: ByteKind { ByteKind(rawValue: 45) }
  /// Eight bytes: the size of a section, in `.dynamic`.
  @inlinable public static var sectionSize: ByteKind { ByteKind(rawValue: 46) }
  /// Four bytes: an address relative to the field (personality, `pc_begin`, LSDA).
  @inlinable public static var relativeAddress32: ByteKind { ByteKind(rawValue: 47) }
  /// Four bytes: how far back the CIE of an FDE stands.
  @inlinable public static var commonEntryPointer: ByteKind { ByteKind(rawValue: 48) }
  /// Four bytes: how many bytes of code an FDE describes.
  @inlinable public static var codeRange: ByteKind { ByteKind(rawValue: 49) }
  /// Four bytes: an entry of a jump table, relative to the table.
  @inlinable public static var jumpTableEntry: ByteKind { ByteKind(rawValue: 50) }
  /// Four bytes: what a PLT entry pushes.
  @inlinable public static var pltIndex: ByteKind { ByteKind(rawValue: 51) }
  /// Eight bytes of `.relr.dyn` that are an address (the lowest bit is 0).
  @inlinable public static var relativeRelocation: ByteKind { ByteKind(rawValue: 52) }
  /// Eight bytes of `.relr.dyn` that are a bitmap.
  @inlinable public static var relativeBitmap: ByteKind { ByteKind(rawValue: 53) }

  // LoongArch64, continued: fields are whole words.
  /// JIRL directly behind a PCADDU18I.
  @inlinable public static var loongCallEnd: ByteKind { ByteKind(rawValue: 54) }
  /// PCADDU12I (every PLT has it): like `loongPage`, but relative to the place and not to its page.
  @inlinable public static var loongRelativePage: ByteKind { ByteKind(rawValue: 55) }
  /// ADDI.D, load or store of a register that PCADDU12I has set.
  @inlinable public static var loongRelativeLow12: ByteKind { ByteKind(rawValue: 56) }
}
