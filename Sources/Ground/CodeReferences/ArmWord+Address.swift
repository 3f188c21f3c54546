extension ArmWord {
  /// The address that a word of kind `kind` at `place` names.
  @inline(__always)
  static func target(
    _ kind: ByteKind, word: UInt32, place: UInt64, partner: UInt32, partnerPlace: UInt64
  ) -> UInt64 {
    switch kind {
    case .armBranch26: place &+ Field.signed(word, at: 0, bits: 26) &<< 2
    case .armBranch19: place &+ Field.signed(word, at: 5, bits: 19) &<< 2
    case .armBranch14: place &+ Field.signed(word, at: 5, bits: 14) &<< 2
    case .armADR: place &+ distance(word)
    case .armADRP: page(word, place) &+ low(partner)
    default: page(partner, partnerPlace) &+ low(word)
    }
  }

  /// `old` with its field made to name `target`, or nil if it cannot.
  @inline(__always)
  static func word(_ kind: ByteKind, old: UInt32, target: UInt64, place: UInt64) -> UInt32? {
    let delta = target &- place
    switch kind {
    case .armBranch26: return Field.put(old, delta, at: 0, bits: 26, scale: 2)
    case .armBranch19: return Field.put(old, delta, at: 5, bits: 19, scale: 2)
    case .armBranch14: return Field.put(old, delta, at: 5, bits: 14, scale: 2)
    case .armADR: return put(old, distance: Field.narrow(delta, bits: 21, scale: 0))
    case .armADRP:
      let pages = (target & ~0xfff) &- (place & ~0xfff)
      return put(old, distance: Field.narrow(pages, bits: 21, scale: 12))
    default:
      guard let scale = scale(old) else { return nil }
      let low = UInt32(target & 0xfff)
      guard low & (1 &<< scale &- 1) == 0 else { return nil }
      return old & ~0x003f_fc00 | (low >> scale) << 10
    }
  }

  /// The page that an ADRP names: 21 bits, times 4096, from the page of its place.
  @inline(__always)
  private static func page(_ word: UInt32, _ place: UInt64) -> UInt64 {
    (place & ~0xfff) &+ distance(word) &<< 12
  }

  /// immhi:immlo of ADR and ADRP (C6.2): bits 23 to 5 and 30 to 29.
  @inline(__always)
  private static func distance(_ word: UInt32) -> UInt64 {
    Field.signed(word, at: 5, bits: 19) &<< 2 | UInt64(word >> 29 & 3)
  }

  @inline(__always)
  private static func put(_ old: UInt32, distance: UInt32?) -> UInt32? {
    guard let distance else { return nil }
    return old & 0x9f00_001f | (distance & 3) << 29 | (distance >> 2) << 5
  }

  /// What `imm12` of an ADD, load or store adds, in bytes; 0 for every other word.
  @inline(__always)
  private static func low(_ word: UInt32) -> UInt64 {
    guard let scale = scale(word) else { return 0 }
    return UInt64((word >> 10 & 0xfff) << scale)
  }

  /// `word` without the fields that hold addresses whatever stands around it.
  @inline(__always)
  static func masked(_ word: UInt32) -> UInt32 {
    switch effect(word).kind {
    case .armBranch26: word & 0xfc00_0000
    case .armBranch19: word & 0xff00_001f
    case .armBranch14: word & 0xfff8_001f
    case .armADR, .armADRP: word & 0x9f00_001f
    default: word
    }
  }

  /// The opcode bits of `word`: bits 31 to 21 and, above them, bits 15 to 10, without those that
  /// are registers or immediates in the word's group.
  @inline(__always)
  static func instructionClass(_ word: UInt32) -> Int {
    let opcode = word & opcodeMask(word)
    return Int(opcode >> 21 | (opcode >> 10 & 0x3f) << 11)
  }

  @inline(__always)
  private static func opcodeMask(_ word: UInt32) -> UInt32 {
    switch word >> 25 & 15 {
    case 0b1000: word & 0x0100_0000 == 0 ? 0x9f00_0000 : 0xffc0_0000
    case 0b1001: 0xff80_0000
    case 0b1010, 0b1011: branchMask(word)
    case 0b0100, 0b0110, 0b1100, 0b1110: memoryMask(word)
    case 0b0101, 0b1101: registerMask(word)
    case 0b0111, 0b1111: word & 0x5f00_0000 == 0x1f00_0000 ? 0xffe0_8000 : 0xffe0_fc00
    default: 0xffe0_e000
    }
  }

  @inline(__always)
  private static func branchMask(_ word: UInt32) -> UInt32 {
    switch word >> 24 & 0x7f {
    case 0x14...0x17: 0xfc00_0000
    case 0x36, 0x37: 0x7f00_0000
    case 0x54: word >> 31 == 0 ? 0xff00_0000 : 0xffe0_0000
    case 0x55, 0x56, 0x57: 0xffe0_0000
    default: 0xff00_0000
    }
  }

  @inline(__always)
  private static func memoryMask(_ word: UInt32) -> UInt32 {
    switch word >> 27 & 7 {
    case 0b111:
      if word & 0x0100_0000 != 0 {
        0xffc0_0000
      } else {
        word & 0x0020_0000 == 0 ? 0xffe0_0c00 : 0xffe0_fc00
      }
    case 0b101: 0xffc0_0000
    case 0b011: word & 0x0100_0000 == 0 ? 0xff00_0000 : 0xffe0_0c00
    default: word & 0x0400_0000 == 0 ? 0xffe0_8000 : 0xffe0_fc00
    }
  }

  @inline(__always)
  private static func registerMask(_ word: UInt32) -> UInt32 {
    switch word >> 21 & 0xff {
    case 0x50...0x57, 0x58, 0x5a, 0x5c, 0x5e: 0xffe0_0000
    case 0x59, 0x5b, 0x5d, 0x5f: 0xffe0_e000
    case 0xd2: 0xffe0_0800
    case 0xd4: 0xffe0_0c00
    case 0xd8...0xdf: 0xffe0_8000
    default: 0xffe0_fc00
    }
  }
}
