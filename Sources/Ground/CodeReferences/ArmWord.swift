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

  /// What the word does.
  @inline(__always)
  static func effect(_ word: UInt32) -> WordEffect {
    let shape = ArmShape.table[Int(word >> 21)]
    let kind = ByteKind(rawValue: UInt8(truncatingIfNeeded: shape & 0x3f))
    if shape & (ArmShape.rare | ArmShape.page | ArmShape.call) != 0 {
      if shape & ArmShape.page != 0 { return WordEffect(kind, page: word & 31) }
      return shape & ArmShape.call != 0
        ? WordEffect(kind, clearing: callClobbers)
        : WordEffect(kind, clearing: rarelyCleared(word))
    }
    var cleared = shape & ArmShape.writes != 0 ? destination(word) : 0
    if shape & ArmShape.loads != 0 { cleared = lost(cleared, word) }
    let scale = UInt32(shape / ArmShape.scale & 7)
    // What reaches beyond the page is not the low half of an address.
    let completes = shape & ArmShape.completes != 0 && (word >> 10 & 0xfff) &<< scale < 4096
    return WordEffect(
      kind, low: .armLow12, base: completes ? base(word) : 32, clearing: cleared)
  }

  /// The binary logarithm of what the immediate of an ADD or of a load or store counts.
  ///
  /// Nil for all but ADD (immediate, 64 bits, no shift) and loads and stores of one register with
  /// an unsigned offset (LDR, STR and their kin of all sizes, PRFM; general and vector registers).
  @inline(__always)
  static func scale(_ word: UInt32) -> UInt32? {
    if word & 0xffc0_0000 == 0x9100_0000 { return 0 }
    guard word & 0x3b00_0000 == 0x3900_0000 else { return nil }
    let size = word >> 30
    guard word & 0x0480_0000 == 0x0480_0000 else { return size }
    return size == 0 ? 4 : nil
  }

  /// Whether a load or store of one register loads a general one.
  ///
  /// That is: opc (bits 23, 22) is not 00, and it is not PRFM or PRFUM (size 11, opc 10).
  static func loadsRegister(_ word: UInt32) -> Bool {
    let isVector = word & 0x0400_0000 != 0
    let isPrefetch = word & 0xc0c0_0000 == 0xc080_0000
    return !isVector && word & 0x00c0_0000 != 0 && !isPrefetch
  }

  /// Those of the `loaded` registers that a load clears.
  ///
  /// What comes from the stack into a register that calls preserve is what the caller had there: an
  /// epilogue. Behind its RET often stands code that branched away before it, so it counts as if
  /// it had not been.
  @inline(__always)
  private static func lost(_ loaded: UInt32, _ word: UInt32) -> UInt32 {
    base(word) == 31 ? loaded & callClobbers : loaded
  }

  /// What an instruction clears whose shape is `rare`.
  private static func rarelyCleared(_ word: UInt32) -> UInt32 {
    switch word >> 25 & 15 {
    case 0b0111, 0b1111: vector(word)
    default:
      switch word >> 27 & 7 {
      case 0b111: single(word)
      case 0b101: pairAccess(word)
      default: exclusive(word)
      }
    }
  }

  /// Loads and stores of one register, other than with an unsigned offset.
  @inline(__always)
  private static func single(_ word: UInt32) -> UInt32 {
    let cleared = loadsRegister(word) ? lost(destination(word), word) : 0
    if word & 0x0020_0000 == 0 {
      // Bit 10 tells the forms that write their base back.
      return cleared | (word & 0x0400 != 0 ? WordEffect.bit(base(word)) : 0)
    }
    // Atomics (bits 11, 10 = 00) load whatever bits 23 and 22 say.
    let isAtomic = word & 0x0400_0c00 == 0
    return isAtomic ? destination(word) : cleared
  }

  /// LDP, STP and their kin: bits 24, 23 are 01 and 11 where the base is written back.
  @inline(__always)
  private static func pairAccess(_ word: UInt32) -> UInt32 {
    var cleared: UInt32 = 0
    if word & 0x0440_0000 == 0x0040_0000 {
      cleared = lost(destination(word) | WordEffect.bit(word >> 10), word)
    }
    return word & 0x0080_0000 != 0 ? cleared | WordEffect.bit(base(word)) : cleared
  }

  /// Exclusive and ordered accesses, compare and swap, and loads and stores of vector structures.
  @inline(__always)
  private static func exclusive(_ word: UInt32) -> UInt32 {
    if word & 0x0400_0000 != 0 {
      return word & 0x0080_0000 != 0 ? WordEffect.bit(base(word)) : 0
    }
    // Rs (bits 20 to 16) is the status of a store and the result of a compare and swap.
    let status = WordEffect.bit(word >> 16)
    if word & 0x0040_0000 == 0 {
      let isOrdered = word & 0x00a0_0000 == 0x0080_0000
      return isOrdered ? 0 : status
    }
    let second = word & 0x0020_0000 != 0 ? WordEffect.bit(word >> 10) | status : 0
    return destination(word) | second
  }

  /// Conversions between floating point and integer, UMOV and SMOV.
  @inline(__always)
  private static func vector(_ word: UInt32) -> UInt32 {
    if word & 0x5f20_fc00 == 0x1e20_0000 {
      // Opcode (18 to 16) 010, 011 and 111 go to the floating-point side.
      let opcode = word >> 16 & 7
      return opcode == 2 || opcode == 3 || opcode == 7 ? 0 : destination(word)
    }
    let isMove = word & 0xbfe0_ec00 == 0x0e00_2c00
    return isMove ? destination(word) : 0
  }
}
