/// AArch64 instructions (Arm ARM, DDI 0487, C4 "A64 instruction set encoding").
enum ArmWord: WordSet {
  static let zero: UInt32 = 31
  /// x0 to x18 and x30: what a call may change (AAPCS64, 6.1.1).
  private static let callClobbers: UInt32 = 0x4007_ffff

  /// A word of kind `armLow12` completes every ADRP.
  @inline(__always)
  static func pair(low: ByteKind, page: ByteKind, distance: Int) -> ByteKind? { low }

  /// Bits 4 to 0, the destination of most instructions, as a mask.
  @inline(__always)
  private static func destination(_ word: UInt32) -> UInt32 { WordEffect.bit(word) }
  /// Bits 9 to 5, the base register of loads and stores.
  @inline(__always)
  private static func base(_ word: UInt32) -> UInt32 { word >> 5 & 31 }

  /// What the word does; the main groups by bits 28 to 25 (C4.1).
  @inline(__always)
  static func effect(_ word: UInt32) -> WordEffect {
    switch word >> 25 & 15 {
    case 0b1000, 0b1001: immediate(word)
    case 0b1010, 0b1011: branch(word)
    case 0b0100, 0b0110, 0b1100, 0b1110: memory(word)
    case 0b0101, 0b1101: register(word)
    case 0b0111, 0b1111: vector(word)
    default: WordEffect(.armWord)
    }
  }

  /// Data processing with an immediate (C4.1.92): all write their destination.
  @inline(__always)
  private static func immediate(_ word: UInt32) -> WordEffect {
    if word & 0x1f00_0000 == 0x1000_0000 {
      return word >> 31 == 0
        ? WordEffect(.armADR, clearing: destination(word))
        : WordEffect(.armADRP, page: word & 31)
    }
    if word & 0xffc0_0000 == 0x9100_0000 {
      return WordEffect(
        .armWord, low: .armLow12, base: base(word), clearing: destination(word))
    }
    return WordEffect(.armWord, clearing: destination(word))
  }

  /// Branches, exceptions and system instructions (C4.1.93).
  ///
  /// Behind RET and BR comes code that is reached from elsewhere: a part of the same function, where
  /// the registers that calls preserve still hold what they held, or another function, which does
  /// not look at those before it has set them. So all branches through registers act as calls.
  @inline(__always)
  private static func branch(_ word: UInt32) -> WordEffect {
    switch word >> 24 {
    case 0x14...0x17: WordEffect(.armBranch26)
    case 0x94...0x97: WordEffect(.armBranch26, clearing: callClobbers)
    case 0x54, 0x34, 0x35, 0xb4, 0xb5: WordEffect(.armBranch19)
    case 0x36, 0x37, 0xb6, 0xb7: WordEffect(.armBranch14)
    case 0xd6, 0xd7: WordEffect(.armWord, clearing: callClobbers)
    // MRS and SYSL have bit 21 set and write a register.
    case 0xd5: WordEffect(.armWord, clearing: word & 0x0020_0000 != 0 ? destination(word) : 0)
    default: WordEffect(.armWord)
    }
  }

  /// Loads and stores (C4.1.94).
  @inline(__always)
  private static func memory(_ word: UInt32) -> WordEffect {
    switch word >> 27 & 7 {
    case 0b111: single(word)
    case 0b101: pairAccess(word)
    case 0b011: literal(word)
    default: exclusive(word)
    }
  }

  /// Loads and stores of one register in all addressing modes.
  @inline(__always)
  private static func single(_ word: UInt32) -> WordEffect {
    let isVector = word & 0x0400_0000 != 0
    let loads = !isVector && word & 0x00c0_0000 != 0 && !isPrefetch(word)
    let cleared = loads ? lost(destination(word), word) : 0
    if word & 0x0100_0000 != 0 {
      guard let scale = scale(word), (word >> 10 & 0xfff) << scale < 4096 else {
        return WordEffect(.armWord, clearing: cleared)
      }
      return WordEffect(.armWord, low: .armLow12, base: base(word), clearing: cleared)
    }
    if word & 0x0020_0000 == 0 {
      // Bit 10 tells the forms that write their base back.
      let writesBack = word & 0x0400 != 0
      return WordEffect(
        .armWord, clearing: cleared | (writesBack ? WordEffect.bit(base(word)) : 0))
    }
    // Atomics load whatever bits 23 and 22 say; in a register offset (bits 11, 10 = 10) they count.
    let isAtomic = !isVector && word & 0x0c00 == 0
    return WordEffect(.armWord, clearing: isAtomic ? destination(word) : cleared)
  }

  /// Whether a load of one register is PRFM or PRFUM: size 11, opc 10.
  @inline(__always)
  private static func isPrefetch(_ word: UInt32) -> Bool { word & 0xc4c0_0000 == 0xc080_0000 }

  /// The binary logarithm of what `imm12` of an ADD or of a load or store counts; nil for others.
  @inline(__always)
  static func scale(_ word: UInt32) -> UInt32? {
    if word & 0xffc0_0000 == 0x9100_0000 { return 0 }
    guard word & 0x3b00_0000 == 0x3900_0000 else { return nil }
    let size = word >> 30
    guard word & 0x0480_0000 == 0x0480_0000 else { return size }
    return size == 0 ? 4 : nil
  }

  /// The registers that a load from the base register of `word` clears, of those in `loaded`.
  ///
  /// What comes from the stack into a register that calls preserve is what the caller had there: an
  /// epilogue. Behind its RET often stands code that branched away before it, so it counts as if
  /// it had not been.
  @inline(__always)
  private static func lost(_ loaded: UInt32, _ word: UInt32) -> UInt32 {
    base(word) == 31 ? loaded & callClobbers : loaded
  }

  /// LDP, STP and their kin: bits 24, 23 are 01 and 11 where the base is written back.
  @inline(__always)
  private static func pairAccess(_ word: UInt32) -> WordEffect {
    var cleared: UInt32 = 0
    if word & 0x0440_0000 == 0x0040_0000 {
      cleared = lost(destination(word) | WordEffect.bit(word >> 10), word)
    }
    if word & 0x0080_0000 != 0 { cleared |= WordEffect.bit(base(word)) }
    return WordEffect(.armWord, clearing: cleared)
  }

  /// LDR (literal) in all sizes, LDRSW and PRFM; bit 24 tells LDAPUR and its kin.
  @inline(__always)
  private static func literal(_ word: UInt32) -> WordEffect {
    let isVector = word & 0x0400_0000 != 0
    if word & 0x0100_0000 != 0 {
      let loads = !isVector && word & 0x00c0_0000 != 0
      return WordEffect(.armWord, clearing: loads ? destination(word) : 0)
    }
    let writes = !isVector && word >> 30 != 3
    return WordEffect(.armBranch19, clearing: writes ? destination(word) : 0)
  }

  /// Exclusive and ordered accesses, compare and swap, and loads and stores of vector structures.
  @inline(__always)
  private static func exclusive(_ word: UInt32) -> WordEffect {
    if word & 0x0400_0000 != 0 {
      let writesBack = word & 0x0080_0000 != 0
      return WordEffect(.armWord, clearing: writesBack ? WordEffect.bit(base(word)) : 0)
    }
    // Rs (bits 20 to 16) is the status of a store and the result of a compare and swap.
    let status = WordEffect.bit(word >> 16)
    if word & 0x0040_0000 == 0 {
      let isOrdered = word & 0x00a0_0000 == 0x0080_0000
      return WordEffect(.armWord, clearing: isOrdered ? 0 : status)
    }
    let second = word & 0x0020_0000 != 0 ? WordEffect.bit(word >> 10) | status : 0
    return WordEffect(.armWord, clearing: destination(word) | second)
  }

  /// Data processing on registers (C4.1.95): all but CCMP and CCMN write their destination.
  @inline(__always)
  private static func register(_ word: UInt32) -> WordEffect {
    let compares = word & 0x1fe0_0000 == 0x1a40_0000
    return WordEffect(.armWord, clearing: compares ? 0 : destination(word))
  }

  /// Vector and floating-point instructions (C4.1.96); a few write a general register.
  @inline(__always)
  private static func vector(_ word: UInt32) -> WordEffect {
    // Conversions between floating point and integer: opcode (18 to 16) 010, 011 and 111 go to
    // the floating-point side.
    if word & 0x5f20_fc00 == 0x1e20_0000 {
      let opcode = word >> 16 & 7
      let toVector = opcode == 2 || opcode == 3 || opcode == 7
      return WordEffect(.armWord, clearing: toVector ? 0 : destination(word))
    }
    // UMOV and SMOV.
    let isMove = word & 0xbfe0_ec00 == 0x0e00_2c00
    return WordEffect(.armWord, clearing: isMove ? destination(word) : 0)
  }
}
