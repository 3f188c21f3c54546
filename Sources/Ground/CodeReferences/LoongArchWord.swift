/// LoongArch64 instructions (LoongArch Reference Manual, volume 1, appendix B).
enum LoongArchWord: WordSet {
  static let zero: UInt32 = 0
  /// ra, a0 to a7 and t0 to t8: what a call may change (ELF psABI, "Register Convention").
  private static let callClobbers: UInt32 = 0x001f_fff2

  /// PCADDU18I goes with the JIRL directly behind it, the other two with what has a si12.
  @inline(__always)
  static func pair(low: ByteKind, page: ByteKind, distance: Int) -> ByteKind? {
    switch page {
    case .loongCall: low == .loongCallEnd && distance == 4 ? low : nil
    case .loongRelativePage: low == .loongLow12 ? .loongRelativeLow12 : nil
    default: low == .loongLow12 ? low : nil
    }
  }

  /// Bits 4 to 0, rd, as a mask.
  @inline(__always)
  private static func destination(_ word: UInt32) -> UInt32 { WordEffect.bit(word) }
  /// Bits 9 to 5, rj.
  @inline(__always)
  private static func base(_ word: UInt32) -> UInt32 { word >> 5 & 31 }

  /// What the word does; the opcodes of six bits are in bits 31 to 26.
  @inline(__always)
  static func effect(_ word: UInt32) -> WordEffect {
    switch word >> 26 {
    case 0x00: arithmetic(word)
    case 0x01, 0x04: WordEffect(.loongWord, clearing: destination(word))
    case 0x05, 0x06, 0x07: upper(word)
    // LL and SC, LDPTR; STPTR has bit 24 set.
    case 0x08: WordEffect(.loongWord, clearing: destination(word))
    case 0x09:
      WordEffect(.loongWord, clearing: word & 0x0100_0000 == 0 ? destination(word) : 0)
    case 0x0a: memory(word)
    // VLD, VST, XVLD and XVST; the others with this opcode have smaller fields.
    case 0x0b:
      word >> 24 == 0x2c
        ? WordEffect(.loongWord, low: .loongLow12, base: base(word), clearing: 0)
        : WordEffect(.loongWord)
    case 0x0e: indexed(word)
    case 0x10...0x1b: branch(word)
    case 0x1c, 0x1d: vector(word)
    default: WordEffect(.loongWord)
    }
  }

  /// Arithmetic on general registers, ADDI.D among it; bits 31 to 24 = 1 are floating point.
  @inline(__always)
  private static func arithmetic(_ word: UInt32) -> WordEffect {
    if word >> 22 == 0x0b {
      return WordEffect(
        .loongWord, low: .loongLow12, base: base(word), clearing: destination(word))
    }
    guard word >> 24 == 1 else { return WordEffect(.loongWord, clearing: destination(word)) }
    // MOVFR2GR.S and .D, MOVFRH2GR.S, MOVFCSR2GR and MOVCF2GR.
    let opcode = word >> 10
    let writes = (0x4_52d...0x4_52f).contains(opcode) || opcode == 0x4_532 || opcode == 0x4_537
    return WordEffect(.loongWord, clearing: writes ? destination(word) : 0)
  }

  /// The instructions with si20, and LU12I.W, LU32I.D.
  @inline(__always)
  private static func upper(_ word: UInt32) -> WordEffect {
    switch word >> 25 {
    case 0x0c: WordEffect(.loongPCAddI, clearing: destination(word))
    case 0x0d: WordEffect(.loongPage, page: word & 31)
    case 0x0e: WordEffect(.loongRelativePage, page: word & 31)
    case 0x0f: WordEffect(.loongCall, page: word & 31)
    default: WordEffect(.loongWord, clearing: destination(word))
    }
  }

  /// Loads and stores with si12: bits 25 to 22 are the operation (11 is PRELD).
  @inline(__always)
  private static func memory(_ word: UInt32) -> WordEffect {
    let operation = word >> 22 & 15
    guard operation != 11 else { return WordEffect(.loongWord) }
    let loads = operation < 4 || (8...10).contains(operation)
    return WordEffect(
      .loongWord, low: .loongLow12, base: base(word), clearing: loads ? destination(word) : 0)
  }

  /// Loads and stores with an index, and atomics: bits 25 to 18 are the operation.
  @inline(__always)
  private static func indexed(_ word: UInt32) -> WordEffect {
    let writes =
      switch word >> 18 & 0xff {
      case 0x00...0x03, 0x08...0x0a, 0x15...0x1b, 0x1e: true
      default: false
      }
    return WordEffect(.loongWord, clearing: writes ? destination(word) : 0)
  }

  /// Branches: JIRL is a call if it writes ra, and otherwise the end of what was known.
  @inline(__always)
  private static func branch(_ word: UInt32) -> WordEffect {
    switch word >> 26 {
    case 0x13:
      WordEffect(
        .loongWord, low: .loongCallEnd, base: base(word),
        clearing: word & 31 == 1 ? callClobbers : ~0)
    case 0x10, 0x11: WordEffect(.loongBranch21)
    // BCEQZ and BCNEZ; with bit 9 set it is another instruction.
    case 0x12: WordEffect(word & 0x200 == 0 ? .loongBranch21 : .loongWord)
    case 0x14: WordEffect(.loongBranch26)
    case 0x15: WordEffect(.loongBranch26, clearing: callClobbers)
    default: WordEffect(.loongBranch16)
    }
  }

  /// Vector instructions: VPICKVE2GR and XVPICKVE2GR write a general register.
  @inline(__always)
  private static func vector(_ word: UInt32) -> WordEffect {
    let top = word >> 16 & 0xfbff
    let picks = top == 0x72ef || top == 0x72f3
    return WordEffect(.loongWord, clearing: picks ? destination(word) : 0)
  }
}
