/// What a byte of a file is, as far as that helps to foretell what becomes of it.
///
/// The lower six bits name the kind; the numbers are part of the format (docs/format.md, "Fields").
/// All bytes of a field have its kind; `first` marks the first of them, `start` the first byte of an
/// instruction, a table record or a string.
package struct ByteKind: RawRepresentable, Hashable, Sendable {
  /// Kind and marks.
  package let rawValue: UInt8

  /// Creates a kind from its number, with or without marks.
  @inline(__always)
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Compares number and marks.
  @inline(__always)
  package static func == (left: ByteKind, right: ByteKind) -> Bool {
    left.rawValue == right.rawValue
  }

  /// Matches a case of a `switch`; without this one, every case is a call of a witness.
  @inline(__always)
  package static func ~= (pattern: ByteKind, value: ByteKind) -> Bool {
    pattern.rawValue == value.rawValue
  }

  /// How many kinds there can be.
  package static let count = 64
  /// The mark of the first byte of a field.
  package static let first: UInt8 = 0x40
  /// The mark of the first byte of an instruction or record.
  package static let start: UInt8 = 0x80

  /// The kind without marks.
  @inline(__always)
  package var plain: ByteKind { ByteKind(rawValue: rawValue & 0x3f) }
  /// The number of the kind, 0 ..< 64.
  @inline(__always)
  package var number: Int { Int(rawValue & 0x3f) }
  /// Whether a field begins here.
  @inline(__always)
  package var isFirst: Bool { rawValue & Self.first != 0 }
  /// Whether an instruction or record begins here.
  @inline(__always)
  package var isStart: Bool { rawValue & Self.start != 0 }

  /// Nothing is known.
  package static let none = ByteKind(rawValue: 0)

  // x86-64 code that holds no address.
  package static let prefix = ByteKind(rawValue: 1)
  package static let opcode = ByteKind(rawValue: 2)
  package static let modRM = ByteKind(rawValue: 3)
  package static let sib = ByteKind(rawValue: 4)
  package static let displacement8 = ByteKind(rawValue: 5)
  /// A field of four bytes.
  package static let displacement32 = ByteKind(rawValue: 6)
  package static let immediate8 = ByteKind(rawValue: 7)
  package static let immediate16 = ByteKind(rawValue: 8)
  /// A field of four bytes.
  package static let immediate32 = ByteKind(rawValue: 9)
  package static let immediate64 = ByteKind(rawValue: 10)
  /// A byte that begins no instruction.
  package static let bad = ByteKind(rawValue: 11)

  // x86-64 references, all relative to the end of the instruction.
  package static let relative8 = ByteKind(rawValue: 12)
  package static let relative32 = ByteKind(rawValue: 13)
  /// `disp32(%rip)` with no immediate behind it.
  package static let rip0 = ByteKind(rawValue: 14)
  /// The same with one byte of immediate behind it.
  package static let rip1 = ByteKind(rawValue: 15)
  /// The same with two bytes.
  package static let rip2 = ByteKind(rawValue: 16)
  /// The same with four bytes.
  package static let rip4 = ByteKind(rawValue: 17)

  // AArch64: fields are whole words.
  package static let armWord = ByteKind(rawValue: 18)
  /// B, BL.
  package static let armBranch26 = ByteKind(rawValue: 19)
  /// B.cond, CBZ, CBNZ, LDR (literal).
  package static let armBranch19 = ByteKind(rawValue: 20)
  /// TBZ, TBNZ.
  package static let armBranch14 = ByteKind(rawValue: 21)
  package static let armADR = ByteKind(rawValue: 22)
  /// ADRP, with a partner or without.
  package static let armADRP = ByteKind(rawValue: 23)
  /// ADD (immediate), or load or store with unsigned offset, of a register that ADRP has set.
  package static let armLow12 = ByteKind(rawValue: 24)

  // LoongArch64: fields are whole words.
  package static let loongWord = ByteKind(rawValue: 25)
  /// B, BL.
  package static let loongBranch26 = ByteKind(rawValue: 26)
  /// BEQZ, BNEZ, BCEQZ, BCNEZ.
  package static let loongBranch21 = ByteKind(rawValue: 27)
  /// BEQ … BGEU.
  package static let loongBranch16 = ByteKind(rawValue: 28)
  /// PCALAU12I, with a partner or without.
  package static let loongPage = ByteKind(rawValue: 29)
  /// ADDI.D, load or store of a register that PCALAU12I has set.
  package static let loongLow12 = ByteKind(rawValue: 30)
  /// PCADDU18I; its partner, if it has one, is the JIRL directly behind it.
  package static let loongCall = ByteKind(rawValue: 31)
  /// PCADDI.
  package static let loongPCAddI = ByteKind(rawValue: 32)

  // RISC-V: words of four bytes, or two when compressed.
  package static let riscWord = ByteKind(rawValue: 33)
  package static let riscHalf = ByteKind(rawValue: 34)
  /// JAL.
  package static let riscJump = ByteKind(rawValue: 35)
  /// BEQ … BGEU.
  package static let riscBranch = ByteKind(rawValue: 36)
  /// AUIPC, with a partner or without.
  package static let riscPage = ByteKind(rawValue: 37)
  /// The partner, I-type (loads, ADDI, JALR).
  package static let riscLow12I = ByteKind(rawValue: 38)
  /// The partner, S-type (stores).
  package static let riscLow12S = ByteKind(rawValue: 39)
  /// C.J.
  package static let riscCompressedJump = ByteKind(rawValue: 40)
  /// C.BEQZ, C.BNEZ.
  package static let riscCompressedBranch = ByteKind(rawValue: 41)

  // Tables.
  /// Eight bytes that are an address of the image.
  package static let address64 = ByteKind(rawValue: 42)
  /// Four bytes: the index of a dynamic symbol, in `r_info`.
  package static let symbolIndex = ByteKind(rawValue: 43)
  /// Four bytes: an offset into the string table.
  ///
  /// In `.dynamic` eight bytes have the kind, of which the lower four are foretold.
  package static let stringOffset = ByteKind(rawValue: 44)
  /// Eight bytes: the size of a function or object (`st_size`).
  package static let symbolSize = ByteKind(rawValue: 45)
  /// Eight bytes: the size of a section, in `.dynamic`.
  package static let sectionSize = ByteKind(rawValue: 46)
  /// Four bytes: an address relative to the field (personality, `pc_begin`, LSDA).
  package static let relativeAddress32 = ByteKind(rawValue: 47)
  /// Four bytes: how far back the CIE of an FDE stands.
  package static let commonEntryPointer = ByteKind(rawValue: 48)
  /// Four bytes: how many bytes of code an FDE describes.
  package static let codeRange = ByteKind(rawValue: 49)
  /// Four bytes: an entry of a jump table, relative to the table.
  package static let jumpTableEntry = ByteKind(rawValue: 50)
  /// Four bytes: what a PLT entry pushes.
  package static let pltIndex = ByteKind(rawValue: 51)
  /// Eight bytes of `.relr.dyn` that are an address (the lowest bit is 0).
  package static let relativeRelocation = ByteKind(rawValue: 52)
  /// Eight bytes of `.relr.dyn` that are a bitmap.
  package static let relativeBitmap = ByteKind(rawValue: 53)

  // LoongArch64, continued: fields are whole words.
  /// JIRL directly behind a PCADDU18I.
  package static let loongCallEnd = ByteKind(rawValue: 54)
  /// PCADDU12I (every PLT has it): like `loongPage`, but relative to the place and not to its page.
  package static let loongRelativePage = ByteKind(rawValue: 55)
  /// ADDI.D, load or store of a register that PCADDU12I has set.
  package static let loongRelativeLow12 = ByteKind(rawValue: 56)
}
