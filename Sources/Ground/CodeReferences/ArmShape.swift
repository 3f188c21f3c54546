/// What bits 31 to 21 of an AArch64 word say of it, so that one look into a table tells most words.
struct ArmShape {
  /// The kind in the lower six bits, and the marks below.
  let bits: UInt16

  /// Bits 4 to 0 are a register that is written.
  static let writes: UInt16 = 0x40
  /// A call, or a branch through a register: writes what calls may change.
  static let call: UInt16 = 0x80
  /// ADRP.
  static let page: UInt16 = 0x100
  /// The lowest bit of the logarithm of what the immediate in bits 21 to 10 counts.
  static let scale: UInt16 = 0x200
  /// What is written is loaded from memory.
  static let loads: UInt16 = 0x2000
  /// May complete the page in the register in bits 9 to 5, by the immediate in bits 21 to 10.
  static let completes: UInt16 = 0x4000
  /// The lower bits have a say.
  static let rare: UInt16 = 0x8000

  /// Creates the shape of a word that is of `kind` if alone.
  init(_ kind: ByteKind, _ marks: UInt16 = 0) { bits = UInt16(kind.rawValue) | marks }

  /// The shapes by bits 31 to 21 (with the table 400 MB/s of real code are marked, without it 310).
  static let table: [UInt16] = (0..<2048).map { ArmShape(bits: UInt32($0) << 21).bits }

  /// Reads the shape; the main groups by bits 28 to 25 (Arm ARM, C4.1).
  private init(bits word: UInt32) {
    switch word >> 25 & 15 {
    case 0b1000, 0b1001: self = Self.immediate(word)
    case 0b1010, 0b1011: self = Self.branch(word)
    case 0b0100, 0b0110, 0b1100, 0b1110: self = Self.memory(word)
    // Data processing on registers (C4.1.95): all but CCMP and CCMN write their destination.
    case 0b0101, 0b1101:
      self.init(.armWord, word & 0x1fe0_0000 == 0x1a40_0000 ? 0 : Self.writes)
    // Vectors and floating point (C4.1.96): conversions to integers, UMOV and SMOV write one.
    case 0b0111, 0b1111:
      let mayWrite =
        word & 0x5f20_0000 == 0x1e20_0000 || word & 0xbfe0_0000 == 0x0e00_0000
      self.init(.armWord, mayWrite ? Self.rare : 0)
    default: self.init(.armWord)
    }
  }

  /// Data processing with an immediate (C4.1.92): all write their destination.
  private static func immediate(_ word: UInt32) -> ArmShape {
    if word & 0x1f00_0000 == 0x1000_0000 {
      return word >> 31 == 0 ? ArmShape(.armADR, writes) : ArmShape(.armADRP, page | writes)
    }
    // Bit 22 is the shift of ADD; bit 21 belongs to its immediate.
    let isAdd = word & 0xffc0_0000 == 0x9100_0000
    return ArmShape(.armWord, isAdd ? writes | completes : writes)
  }

  /// Branches, exceptions and system instructions (C4.1.93).
  ///
  /// Behind RET and BR comes code that is reached from elsewhere: a part of the same function,
  /// where the registers that calls preserve still hold what they held, or another function, which
  /// does not look at those before it has set them. So all branches through registers act as calls.
  private static func branch(_ word: UInt32) -> ArmShape {
    switch word >> 24 {
    case 0x14...0x17: ArmShape(.armBranch26)
    case 0x94...0x97: ArmShape(.armBranch26, call)
    case 0x54, 0x34, 0x35, 0xb4, 0xb5: ArmShape(.armBranch19)
    case 0x36, 0x37, 0xb6, 0xb7: ArmShape(.armBranch14)
    case 0xd6, 0xd7: ArmShape(.armWord, call)
    // MRS and SYSL have bit 21 set and write a register.
    case 0xd5: ArmShape(.armWord, word & 0x0020_0000 != 0 ? writes : 0)
    default: ArmShape(.armWord)
    }
  }

  /// Loads and stores (C4.1.94).
  private static func memory(_ word: UInt32) -> ArmShape {
    let isVector = word & 0x0400_0000 != 0
    switch word >> 27 & 7 {
    case 0b111 where word & 0x0100_0000 != 0:
      let written = ArmWord.loadsRegister(word) ? writes | loads : 0
      guard let logarithm = ArmWord.scale(word) else { return ArmShape(.armWord, written) }
      return ArmShape(.armWord, written | completes | UInt16(logarithm) * scale)
    // LDR (literal) in all sizes, LDRSW and PRFM.
    case 0b011 where word & 0x0100_0000 == 0:
      return ArmShape(.armBranch19, !isVector && word >> 30 != 3 ? writes : 0)
    // LDAPUR and STLUR.
    case 0b011: return ArmShape(.armWord, !isVector && word & 0x00c0_0000 != 0 ? writes : 0)
    // STP, and LDP of vectors, without writing back.
    case 0b101 where word & 0x0080_0000 == 0 && (isVector || word & 0x0040_0000 == 0):
      return ArmShape(.armWord)
    default: return ArmShape(.armWord, rare)
    }
  }
}
