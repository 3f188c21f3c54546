extension LoongArchWord {
  /// The address that a word of kind `kind` at `place` names.
  @inline(__always)
  static func target(
    _ kind: ByteKind, word: UInt32, place: UInt64, partner: UInt32, partnerPlace: UInt64
  ) -> UInt64 {
    switch kind {
    case .loongBranch26: place &+ branch26(word)
    case .loongBranch21: place &+ branch21(word)
    case .loongBranch16: place &+ Field.signed(word, at: 10, bits: 16) &<< 2
    case .loongPCAddI: place &+ si20(word) &<< 2
    case .loongPage: (place & ~0xfff) &+ si20(word) &<< 12 &+ si12(partner)
    case .loongLow12: (partnerPlace & ~0xfff) &+ si20(partner) &<< 12 &+ si12(word)
    case .loongRelativePage: place &+ si20(word) &<< 12 &+ si12(partner)
    case .loongRelativeLow12: partnerPlace &+ si20(partner) &<< 12 &+ si12(word)
    case .loongCall: place &+ si20(word) &<< 18 &+ jump16(partner)
    default: partnerPlace &+ si20(partner) &<< 18 &+ jump16(word)
    }
  }

  /// `old` with its field made to name `target`, or nil if it cannot.
  @inline(__always)
  static func word(
    _ kind: ByteKind, old: UInt32, target: UInt64, place: UInt64, partnerPlace: UInt64
  ) -> UInt32? {
    let delta = target &- place
    switch kind {
    case .loongBranch26: return put26(old, Field.narrow(delta, bits: 26, scale: 2))
    case .loongBranch21: return put21(old, Field.narrow(delta, bits: 21, scale: 2))
    case .loongBranch16: return Field.put(old, delta, at: 10, bits: 16, scale: 2)
    case .loongPCAddI: return Field.put(old, delta, at: 5, bits: 20, scale: 2)
    // The low half is signed, so the page is that of the address plus half of its range.
    case .loongPage:
      let pages = ((target &+ 0x800) & ~0xfff) &- (place & ~0xfff)
      return Field.put(old, pages, at: 5, bits: 20, scale: 12)
    case .loongRelativePage:
      return Field.put(old, (delta &+ 0x800) & ~0xfff, at: 5, bits: 20, scale: 12)
    case .loongCall:
      guard delta & 3 == 0 else { return nil }
      return Field.put(old, (delta &+ 0x2_0000) & ~0x3_ffff, at: 5, bits: 20, scale: 18)
    case .loongLow12: return put12(old, target)
    case .loongRelativeLow12: return put12(old, target &- partnerPlace)
    default:
      let distance = target &- partnerPlace
      guard distance & 3 == 0 else { return nil }
      return old & ~0x03ff_fc00 | UInt32(distance >> 2 & 0xffff) << 10
    }
  }

  /// offs26 of B and BL: bits 25 to 10 are its low 16, bits 9 to 0 its high 10.
  @inline(__always)
  private static func branch26(_ word: UInt32) -> UInt64 {
    Field.signed(word, at: 0, bits: 10) &<< 18 | UInt64(word >> 10 & 0xffff) << 2
  }

  @inline(__always)
  private static func put26(_ old: UInt32, _ field: UInt32?) -> UInt32? {
    guard let field else { return nil }
    return old & 0xfc00_0000 | (field & 0xffff) << 10 | field >> 16
  }

  /// offs21: bits 25 to 10 are its low 16, bits 4 to 0 its high 5.
  @inline(__always)
  private static func branch21(_ word: UInt32) -> UInt64 {
    Field.signed(word, at: 0, bits: 5) &<< 18 | UInt64(word >> 10 & 0xffff) << 2
  }

  @inline(__always)
  private static func put21(_ old: UInt32, _ field: UInt32?) -> UInt32? {
    guard let field else { return nil }
    return old & 0xfc00_03e0 | (field & 0xffff) << 10 | field >> 16
  }

  @inline(__always)
  private static func si20(_ word: UInt32) -> UInt64 { Field.signed(word, at: 5, bits: 20) }

  /// si12 in bits 21 to 10; 0 if there is no partner.
  @inline(__always)
  private static func si12(_ word: UInt32) -> UInt64 { Field.signed(word, at: 10, bits: 12) }

  /// offs16 of JIRL, in bytes.
  @inline(__always)
  private static func jump16(_ word: UInt32) -> UInt64 {
    Field.signed(word, at: 10, bits: 16) &<< 2
  }

  @inline(__always)
  private static func put12(_ old: UInt32, _ value: UInt64) -> UInt32 {
    old & ~0x003f_fc00 | UInt32(value & 0xfff) << 10
  }

  /// `word` without the fields that hold addresses whatever stands around it.
  @inline(__always)
  static func masked(_ word: UInt32) -> UInt32 {
    switch effect(word).kind {
    case .loongBranch26: word & 0xfc00_0000
    case .loongBranch21: word & 0xfc00_03e0
    case .loongBranch16: word & 0xfc00_03ff
    case .loongPage, .loongRelativePage, .loongCall, .loongPCAddI: word & 0xfe00_001f
    default: word
    }
  }

  /// The opcode bits of `word` among its upper 17, without those that are immediates.
  @inline(__always)
  static func instructionClass(_ word: UInt32) -> Int {
    Int((word & opcodeMask(word)) >> 15)
  }

  /// How long the opcode is: 6, 7, 8, 10, 12 or 17 bits (table of instruction formats, 1.2.1).
  @inline(__always)
  private static func opcodeMask(_ word: UInt32) -> UInt32 {
    switch word >> 26 {
    case 0x10...0x1b, 0x04: 0xfc00_0000
    case 0x05, 0x06, 0x07: 0xfe00_0000
    case 0x08, 0x09: 0xff00_0000
    case 0x0a, 0x0b: 0xffc0_0000
    case 0x02, 0x03: 0xfff0_0000
    case 0x00: word & 0x0200_0000 != 0 ? 0xffc0_0000 : 0xffff_8000
    default: 0xffff_8000
    }
  }
}
