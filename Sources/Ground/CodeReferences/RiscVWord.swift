/// RISC-V instructions of RV64GC (RISC-V ISA manual, volume 1, "RV32/64G Instruction Set Listings"
/// and "C Extension").
enum RiscVWord: WordSet {
  static let zero: UInt32 = 0
  /// ra, t0 to t6 and a0 to a7: what a call may change (RISC-V calling convention).
  private static let callClobbers: UInt32 = 0xf003_fce2

  /// Both forms of low halves complete every AUIPC.
  @inline(__always)
  static func pair(low: ByteKind, page: ByteKind, distance: Int) -> ByteKind? { low }

  /// Whether an instruction that begins with these bits has four bytes (or more, which no
  /// instruction in use has); otherwise it has two.
  @inline(__always)
  static func isWord(_ half: UInt32) -> Bool { half & 3 == 3 }

  /// rd, bits 11 to 7, as a mask.
  @inline(__always)
  private static func destination(_ word: UInt32) -> UInt32 { WordEffect.bit(word >> 7) }
  /// rs1, bits 19 to 15.
  @inline(__always)
  private static func base(_ word: UInt32) -> UInt32 { word >> 15 & 31 }

  /// What the instruction does.
  @inline(__always)
  static func effect(_ word: UInt32) -> WordEffect {
    isWord(word) ? full(word) : compressed(word)
  }

  @inline(__always)
  private static func full(_ word: UInt32) -> WordEffect {
    let function = word >> 12 & 7
    switch word >> 2 & 31 {
    case 0b00000: return low(word, .riscLow12I, clearing: destination(word))
    // Loads and stores of vectors share these opcodes, with other functions and no immediate.
    case 0b00001: return isScalar(function) ? low(word, .riscLow12I) : WordEffect(.riscWord)
    case 0b01000: return low(word, .riscLow12S)
    case 0b01001: return isScalar(function) ? low(word, .riscLow12S) : WordEffect(.riscWord)
    case 0b00100 where function == 0:
      return low(word, .riscLow12I, clearing: destination(word))
    case 0b00101: return WordEffect(.riscPage, page: word >> 7 & 31)
    case 0b11000: return WordEffect(.riscBranch)
    case 0b11001: return low(word, .riscLow12I, clearing: jump(word >> 7 & 31, known: false))
    case 0b11011: return WordEffect(.riscJump, clearing: jump(word >> 7 & 31, known: true))
    case 0b00100, 0b00110, 0b01011, 0b01100, 0b01101, 0b01110, 0b11100:
      return WordEffect(.riscWord, clearing: destination(word))
    case 0b10100: return WordEffect(.riscWord, clearing: toInteger(word) ? destination(word) : 0)
    case 0b10101:
      return WordEffect(.riscWord, clearing: fromVector(word) ? destination(word) : 0)
    default: return WordEffect(.riscWord)
    }
  }

  @inline(__always)
  private static func low(
    _ word: UInt32, _ kind: ByteKind, clearing cleared: UInt32 = 0
  ) -> WordEffect {
    WordEffect(.riscWord, low: kind, base: base(word), clearing: cleared)
  }

  /// FLH, FLW, FLD, FLQ and the stores.
  @inline(__always)
  private static func isScalar(_ function: UInt32) -> Bool { function >= 1 && function <= 4 }

  /// What a jump with link register `link` clears.
  ///
  /// With a link it is a call. A jump without link to a place that is `known` clears nothing, one
  /// through a register everything.
  @inline(__always)
  private static func jump(_ link: UInt32, known: Bool) -> UInt32 {
    if link == 0 { return known ? 0 : ~0 }
    return callClobbers | WordEffect.bit(link)
  }

  /// Whether an OP-FP instruction writes a general register: comparisons, FCVT to integers, FMV.X
  /// and FCLASS.
  @inline(__always)
  private static func toInteger(_ word: UInt32) -> Bool {
    switch word >> 27 {
    case 0b10100, 0b11000, 0b11100: true
    default: false
    }
  }

  /// Whether an OP-V instruction writes a general register: VSETVL and its kin, VMV.X.S and its
  /// kin.
  @inline(__always)
  private static func fromVector(_ word: UInt32) -> Bool {
    let function = word >> 12 & 7
    return function == 7 || (function == 2 && word >> 26 == 0b010000)
  }

  /// Instructions of two bytes, by quadrant (bits 1, 0) and function (bits 15 to 13).
  @inline(__always)
  private static func compressed(_ word: UInt32) -> WordEffect {
    let low = WordEffect.bit(8 | word >> 2 & 7)
    let high = WordEffect.bit(8 | word >> 7 & 7)
    switch (word & 3) << 3 | word >> 13 & 7 {
    // C.ADDI4SPN, C.LW, C.LD; C.LBU and its kin.
    case 0o00, 0o02, 0o03, 0o04: return WordEffect(.riscHalf, clearing: low)
    // C.ADDI, C.ADDIW, C.LI, C.LUI; C.SLLI, C.LWSP, C.LDSP.
    case 0o10, 0o11, 0o12, 0o13, 0o20, 0o22, 0o23:
      return WordEffect(.riscHalf, clearing: destination(word))
    case 0o14: return WordEffect(.riscHalf, clearing: high)
    case 0o15: return WordEffect(.riscCompressedJump)
    case 0o16, 0o17: return WordEffect(.riscCompressedBranch)
    case 0o24: return WordEffect(.riscHalf, clearing: move(word))
    default: return WordEffect(.riscHalf)
    }
  }

  /// C.JR and C.JALR (no second register), C.MV and C.ADD.
  @inline(__always)
  private static func move(_ word: UInt32) -> UInt32 {
    guard word >> 2 & 31 == 0 else { return destination(word) }
    return word & 0x1000 == 0 ? ~0 : callClobbers
  }
}
