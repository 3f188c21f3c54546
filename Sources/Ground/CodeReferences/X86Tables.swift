/// What follows an opcode, as one hexadecimal digit of the tables below.
enum X86Form {
  /// Nothing.
  static let plain: UInt8 = 0x0
  /// An immediate of one byte.
  static let byte: UInt8 = 0x1
  /// An immediate of two bytes.
  static let word: UInt8 = 0x2
  /// An immediate of four bytes, or two with prefix 66 and without REX.W ("z" in the SDM).
  static let full: UInt8 = 0x3
  /// An immediate of four bytes, eight with REX.W, else two with prefix 66 ("v").
  static let wide: UInt8 = 0x4
  /// An address of eight bytes, or four with prefix 67 ("O").
  static let address: UInt8 = 0x5
  /// A branch target of one byte.
  static let branch8: UInt8 = 0x6
  /// A branch target of four bytes, with prefix 66 too: so do Intel's processors, and no compiler makes
  /// the two bytes that AMD's would read then.
  static let branch32: UInt8 = 0x7
  /// Two bytes and then one (ENTER).
  static let wordAndByte: UInt8 = 0x8
  /// Not an opcode by itself: a prefix, an escape, or unassigned in 64-bit mode.
  static let special: UInt8 = 0x9
  /// ModRM and what it asks for.
  static let modRM: UInt8 = 0xA
  /// ModRM and an immediate of one byte.
  static let modRMByte: UInt8 = 0xB
  /// ModRM and an immediate as of `full`.
  static let modRMFull: UInt8 = 0xC
  /// ModRM, and an immediate of one byte when its middle field is 0 or 1 (TEST of F6).
  static let testByte: UInt8 = 0xD
  /// ModRM, and an immediate as of `full` when its middle field is 0 or 1 (TEST of F7).
  static let testFull: UInt8 = 0xE
  /// ModRM, and with prefix 66 or F2 two immediates of one byte (EXTRQ and INSERTQ).
  static let modRMTwoBytes: UInt8 = 0xF
}

/// The opcode tables: row by the upper four bits, and in a row the first digit is column 0.
///
/// Rows are the cases of a `switch`, which becomes a table in read-only memory; to index a constant
/// `InlineArray` copies all of it to the stack each time (Swift 6.3.1).
enum X86Table {
  /// The table of one-byte opcodes.
  static let oneByte: UInt32 = 0 << 16
  /// The table behind the escape 0F.
  static let twoByte: UInt32 = 1 << 16
  /// The table behind 0F 38.
  static let threeByte38: UInt32 = 2 << 16
  /// The table behind 0F 3A.
  static let threeByte3A: UInt32 = 3 << 16
  /// Added to the number of a VEX map, which is at least 1 and at most 7.
  static let vex: UInt32 = 4 << 16
  /// Added to the number of an EVEX map, which is at least 1 and at most 7.
  static let evex: UInt32 = 12 << 16
  /// Added to the number of an XOP map less 8.
  static let xop: UInt32 = 20 << 16
  /// No table at all.
  static let bad: UInt32 = 31 << 16

  /// Returns a row of the one-byte table (Intel SDM volume 2, table A-2, in 64-bit mode).
  @inline(__always)
  static func oneByteRow(_ upper: UInt8) -> UInt64 {
    switch upper {
    case 0x0: 0xAAAA_1399_AAAA_1399
    case 0x1: 0xAAAA_1399_AAAA_1399
    case 0x2: 0xAAAA_1399_AAAA_1399
    case 0x3: 0xAAAA_1399_AAAA_1399
    case 0x4: 0x9999_9999_9999_9999
    case 0x5: 0x0000_0000_0000_0000
    case 0x6: 0x999A_9999_3C1B_0000
    case 0x7: 0x6666_6666_6666_6666
    case 0x8: 0xBC9B_AAAA_AAAA_AAA9
    case 0x9: 0x0000_0000_0090_0000
    case 0xA: 0x5555_0000_1300_0000
    case 0xB: 0x1111_1111_4444_4444
    case 0xC: 0xBB20_99BC_8020_0190
    case 0xD: 0xAAAA_9990_AAAA_AAAA
    case 0xE: 0x6666_1111_7796_0000
    default: 0x9099_00DE_0000_00AA
    }
  }

  /// Returns a row of the two-byte table (table A-3).
  ///
  /// It has AMD's 3DNow! (0F, the operation behind the operands), EXTRQ and INSERTQ (78), and
  /// VIA's PadLock (A6, A7). 20 to 23 are no digit's: see `readRegisterMove`.
  @inline(__always)
  static func twoByteRow(_ upper: UInt8) -> UInt64 {
    switch upper {
    case 0x0: 0xAAAA_9000_0090_9A0B
    case 0x1: 0xAAAA_AAAA_AAAA_AAAA
    case 0x2: 0x9999_9999_AAAA_AAAA
    case 0x3: 0x0000_0090_9999_9999
    case 0x4: 0xAAAA_AAAA_AAAA_AAAA
    case 0x5: 0xAAAA_AAAA_AAAA_AAAA
    case 0x6: 0xAAAA_AAAA_AAAA_AAAA
    case 0x7: 0xBBBB_AAA0_FA99_AAAA
    case 0x8: 0x7777_7777_7777_7777
    case 0x9: 0xAAAA_AAAA_AAAA_AAAA
    case 0xA: 0x000A_BAAA_000A_BAAA
    case 0xB: 0xAAAA_AAAA_AABA_AAAA
    case 0xC: 0xAABA_BBBA_0000_0000
    case 0xD: 0xAAAA_AAAA_AAAA_AAAA
    case 0xE: 0xAAAA_AAAA_AAAA_AAAA
    default: 0xAAAA_AAAA_AAAA_AAAA
    }
  }

  /// Returns the digit of an opcode of the one-byte table.
  @inline(__always)
  static func oneByteForm(of opcode: UInt8) -> UInt8 {
    digit(opcode & 15, of: oneByteRow(opcode >> 4))
  }

  /// Returns the digit of an opcode of the two-byte table.
  @inline(__always)
  static func twoByteForm(of opcode: UInt8) -> UInt8 {
    digit(opcode & 15, of: twoByteRow(opcode >> 4))
  }

  @inline(__always)
  private static func digit(_ column: UInt8, of row: UInt64) -> UInt8 {
    UInt8(truncatingIfNeeded: row &>> (60 &- 4 &* UInt64(column))) & 15
  }

  /// Returns whether a one-byte opcode is assigned with this ModRM byte (Intel SDM volume 2, tables A-2
  /// and A-6): the cases that data among code brings up often, not all of x87.
  @inline(__always)
  static func isAssigned(_ opcode: UInt8, _ modRM: UInt8) -> Bool {
    switch opcode {
    // LEA of a register.
    case 0x8d: modRM < 0xc0
    // MOV is /0; XABORT and XBEGIN are F8.
    case 0xc6, 0xc7: modRM & 0x38 == 0 || modRM == 0xf8
    // INC and DEC.
    case 0xfe: modRM & 0x30 == 0
    // Neither /7, nor a far CALL (/3) or JMP (/5) by a register.
    case 0xff:
      modRM & 0x38 != 0x38 && (modRM < 0xc0 || modRM & 0x28 != 0x28 && modRM & 0x38 != 0x18)
    default: true
    }
  }
}
