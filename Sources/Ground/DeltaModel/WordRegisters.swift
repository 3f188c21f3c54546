internal import CodeReferences

/// What became of the registers of instruction words (AArch64, LoongArch64): a compiler that needs one more gives
/// the others new numbers.
///
/// Where a word has its registers is a mask of their bits; five bits each.
struct WordRegisters: Sendable {
  /// Where a word may have a register: Rd, Rn, Rm of AArch64, and rd, rj, rk of LoongArch64.
  private static var shifts: InlineArray<4, UInt32> { [0, 5, 10, 16] }

  private var names = InlineArray<32, UInt32> { UInt32($0) }

  /// Whether two words differ in nothing but `registers`.
  static func isRenaming(_ old: UInt32, _ new: UInt32, registers: UInt32) -> Bool {
    (old ^ new) & ~registers == 0
  }

  /// `word` with its `registers` renamed.
  func renamed(_ word: UInt32, registers: UInt32) -> UInt32 {
    var result = word
    for index in 0..<4 {
      let shift = Self.shifts[index]
      guard registers >> shift & 31 == 31 else { continue }
      result = result & ~(31 << shift) | names[Int(word >> shift & 31)] << shift
    }
    return result
  }

  /// Takes note of what the `registers` of a word became.
  mutating func learn(_ old: UInt32, _ new: UInt32, registers: UInt32) {
    for index in 0..<4 {
      let shift = Self.shifts[index]
      guard registers >> shift & 31 == 31 else { continue }
      names[Int(old >> shift & 31)] = new >> shift & 31
    }
  }
}

/// Registers of AArch64 words.
private enum ArmRegisters {
  static let first: UInt32 = 0x1f
  static let two: UInt32 = 0x3ff
  static let all: UInt32 = 0x1f_03ff

  /// Those of a word that names no address: all of Rd, Rn and Rm in data processing on registers, Rd alone where a
  /// wide constant is moved, else the first two.
  static func plain(_ word: UInt32) -> UInt32 {
    if word >> 25 & 7 == 5 { return all }
    return word & 0x1f80_0000 == 0x1280_0000 ? first : two
  }

  /// Those of any word; branches count as without.
  static func any(_ word: UInt32) -> UInt32 {
    if word & 0x1c00_0000 == 0x1400_0000 { return 0 }
    return word & 0x1f00_0000 == 0x1000_0000 ? first : plain(word)
  }
}

/// Registers of LoongArch64 words.
private enum LoongRegisters {
  private static let first: UInt32 = 0x1f
  private static let second: UInt32 = 0x3e0
  private static let two: UInt32 = 0x3ff
  private static let three: UInt32 = 0x7fff

  /// Those of any word, by its upper six bits and, where these leave it open, by more.
  static func any(_ word: UInt32) -> UInt32 {
    switch word >> 26 {
    // Operations on three registers, integer and floating point; what has two has its opcode in the place of the third.
    case 0: word >> 22 == 0 && word >> 15 != 0 || word >> 20 == 0x010 ? three : two
    // Multiply and add, comparisons of floating point, indexed access, vectors.
    case 2, 3, 14, 28: three
    // LU12I.W, LU32I.D, PCADDI, PCALAU12I, PCADDU12I, PCADDU18I.
    case 5, 6, 7: first
    // BEQZ, BNEZ.
    case 16, 17: second
    // BCEQZ, BCNEZ; B; BL.
    case 18, 20, 21: 0
    default: two
    }
  }
}

extension WordCode {
  /// The registers of any word, as a mask; none where they are not known.
  func registers(_ word: UInt32) -> UInt32 {
    switch machine {
    case .arm: ArmRegisters.any(word)
    case .loong: LoongRegisters.any(word)
    case .risc: 0
    }
  }
}

extension ByteKind {
  /// The registers of a word that names no address, as a mask; none of other kinds.
  @inline(__always)
  func plainRegisters(_ word: UInt32) -> UInt32 {
    switch self {
    case .armWord: ArmRegisters.plain(word)
    case .loongWord: LoongRegisters.any(word)
    default: 0
    }
  }

  /// The registers of a word that names an address, as a mask; none of other kinds.
  @inline(__always)
  func referenceRegisters(_ word: UInt32) -> UInt32 {
    switch self {
    case .armLow12: ArmRegisters.two
    case .armADRP, .armADR, .armBranch14: ArmRegisters.first
    // B.cond has a condition where others have a register.
    case .armBranch19: word >> 24 == 0x54 ? 0 : ArmRegisters.first
    default: isLoongReference ? LoongRegisters.any(word) : 0
    }
  }

  /// An instruction of LoongArch64 that names an address.
  @inline(__always)
  private var isLoongReference: Bool {
    rawValue > Self.loongWord.rawValue && rawValue < Self.riscWord.rawValue
      || rawValue >= Self.loongCallEnd.rawValue && rawValue <= Self.loongRelativeLow12.rawValue
  }
}
