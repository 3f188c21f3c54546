/// What became of the registers of AArch64 words: a compiler that needs one more gives the others new
/// numbers.
struct ArmRegisters: Sendable {
  /// Where an instruction has its registers: Rd, Rn, Rm.
  private static var shifts: InlineArray<3, UInt32> { [0, 5, 16] }

  private var names = InlineArray<32, UInt32> { UInt32($0) }

  /// How many of Rd, Rn and Rm a word has that names no address: all in data processing on registers, Rd
  /// alone where a wide constant is moved, else the first two.
  static func count(plain word: UInt32) -> Int {
    if word >> 25 & 7 == 5 { return 3 }
    return word & 0x1f80_0000 == 0x1280_0000 ? 1 : 2
  }

  /// The same for any word; branches count as without.
  static func count(_ word: UInt32) -> Int {
    if word & 0x1c00_0000 == 0x1400_0000 { return 0 }
    return word & 0x1f00_0000 == 0x1000_0000 ? 1 : count(plain: word)
  }

  /// Whether two words differ in nothing but their first `count` registers.
  static func isRenaming(_ old: UInt32, _ new: UInt32, count: Int) -> Bool {
    let mask: UInt32 =
      switch count {
      case 0: 0
      case 1: 0x1f
      case 2: 0x3ff
      default: 0x1f_03ff
      }
    return (old ^ new) & ~mask == 0
  }

  /// `word` with the first `count` of its registers renamed.
  func renamed(_ word: UInt32, count: Int) -> UInt32 {
    var result = word
    for index in 0..<count {
      let shift = Self.shifts[index]
      result = result & ~(31 << shift) | names[Int(word >> shift & 31)] << shift
    }
    return result
  }

  /// Takes note of what the first `count` registers of a word became.
  mutating func learn(_ old: UInt32, _ new: UInt32, count: Int) {
    for index in 0..<count {
      let shift = Self.shifts[index]
      names[Int(old >> shift & 31)] = new >> shift & 31
    }
  }
}
