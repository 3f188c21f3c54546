extension RiscVWord {
  /// The address that an instruction of kind `kind` at `place` names.
  @inline(__always)
  static func target(
    _ kind: ByteKind, word: UInt32, place: UInt64, partner: UInt32, partnerPlace: UInt64
  ) -> UInt64 {
    switch kind {
    case .riscJump: place &+ jump(word)
    case .riscBranch: place &+ branch(word)
    case .riscCompressedJump: place &+ compressedJump(word)
    case .riscCompressedBranch: place &+ compressedBranch(word)
    case .riscPage: place &+ upper(word) &+ low(partner)
    case .riscLow12I: partnerPlace &+ upper(partner) &+ lowI(word)
    default: partnerPlace &+ upper(partner) &+ lowS(word)
    }
  }

  /// `old` with its field made to name `target`, or nil if it cannot.
  @inline(__always)
  static func word(
    _ kind: ByteKind, old: UInt32, target: UInt64, place: UInt64, partnerPlace: UInt64
  ) -> UInt32? {
    let delta = target &- place
    let low = UInt32(truncatingIfNeeded: target &- partnerPlace) & 0xfff
    switch kind {
    case .riscJump: return put(jump: Field.narrow(delta, bits: 20, scale: 1), old)
    case .riscBranch: return put(branch: Field.narrow(delta, bits: 12, scale: 1), old)
    case .riscCompressedJump:
      return put(compressedJump: Field.narrow(delta, bits: 11, scale: 1), old)
    case .riscCompressedBranch:
      return put(compressedBranch: Field.narrow(delta, bits: 8, scale: 1), old)
    // The low half is signed, so the page is that of the distance plus half of its range.
    case .riscPage: return Field.put(old, (delta &+ 0x800) & ~0xfff, at: 12, bits: 20, scale: 12)
    case .riscLow12I: return old & 0x000f_ffff | low << 20
    default: return old & 0x01ff_f07f | (low >> 5) << 25 | (low & 31) << 7
    }
  }

  /// U-type: bits 31 to 12 as they stand.
  @inline(__always)
  private static func upper(_ word: UInt32) -> UInt64 {
    UInt64(bitPattern: Int64(Int32(bitPattern: word & 0xffff_f000)))
  }

  /// I-type: bits 31 to 20.
  @inline(__always)
  private static func lowI(_ word: UInt32) -> UInt64 { Field.signed(word, at: 20, bits: 12) }

  /// S-type: bits 31 to 25 and 11 to 7.
  @inline(__always)
  private static func lowS(_ word: UInt32) -> UInt64 {
    Field.signed(word, at: 25, bits: 7) &<< 5 | UInt64(word >> 7 & 31)
  }

  /// The immediate of a page's partner, by its opcode; 0 for none.
  @inline(__always)
  private static func low(_ word: UInt32) -> UInt64 {
    if word == 0 { return 0 }
    return word & 0x78 == 0x20 ? lowS(word) : lowI(word)
  }

  /// J-type: imm[20|10:1|11|19:12] in bits 31 to 12.
  @inline(__always)
  private static func jump(_ word: UInt32) -> UInt64 {
    let low =
      Field.move(word, from: 21, count: 10, to: 1)
      | Field.move(word, from: 20, count: 1, to: 11) | word & 0x000f_f000
    return Field.signed(word, at: 31, bits: 1) &<< 20 | UInt64(low)
  }

  /// Puts imm[20:1] into a J-type.
  @inline(__always)
  private static func put(jump field: UInt32?, _ old: UInt32) -> UInt32? {
    guard let field else { return nil }
    return old & 0xfff | Field.move(field, from: 19, count: 1, to: 31)
      | Field.move(field, from: 0, count: 10, to: 21)
      | Field.move(field, from: 10, count: 1, to: 20)
      | Field.move(field, from: 11, count: 8, to: 12)
  }

  /// B-type: imm[12|10:5] in bits 31 to 25, imm[4:1|11] in bits 11 to 7.
  @inline(__always)
  private static func branch(_ word: UInt32) -> UInt64 {
    let low =
      Field.move(word, from: 8, count: 4, to: 1)
      | Field.move(word, from: 25, count: 6, to: 5) | Field.move(word, from: 7, count: 1, to: 11)
    return Field.signed(word, at: 31, bits: 1) &<< 12 | UInt64(low)
  }

  /// Puts imm[12:1] into a B-type.
  @inline(__always)
  private static func put(branch field: UInt32?, _ old: UInt32) -> UInt32? {
    guard let field else { return nil }
    return old & 0x01ff_f07f | Field.move(field, from: 11, count: 1, to: 31)
      | Field.move(field, from: 4, count: 6, to: 25) | Field.move(field, from: 0, count: 4, to: 8)
      | Field.move(field, from: 10, count: 1, to: 7)
  }

  /// CJ-type: imm[11|4|9:8|10|6|7|3:1|5] in bits 12 to 2.
  @inline(__always)
  private static func compressedJump(_ word: UInt32) -> UInt64 {
    let low =
      Field.move(word, from: 3, count: 3, to: 1) | Field.move(word, from: 11, count: 1, to: 4)
      | Field.move(word, from: 2, count: 1, to: 5) | Field.move(word, from: 7, count: 1, to: 6)
      | Field.move(word, from: 6, count: 1, to: 7) | Field.move(word, from: 9, count: 2, to: 8)
      | Field.move(word, from: 8, count: 1, to: 10)
    return Field.signed(word, at: 12, bits: 1) &<< 11 | UInt64(low)
  }

  /// Puts imm[11:1] into a CJ-type.
  @inline(__always)
  private static func put(compressedJump field: UInt32?, _ old: UInt32) -> UInt32? {
    guard let field else { return nil }
    return old & 0xffff_e003 | Field.move(field, from: 0, count: 3, to: 3)
      | Field.move(field, from: 3, count: 1, to: 11) | Field.move(field, from: 4, count: 1, to: 2)
      | Field.move(field, from: 5, count: 1, to: 7) | Field.move(field, from: 6, count: 1, to: 6)
      | Field.move(field, from: 7, count: 2, to: 9) | Field.move(field, from: 9, count: 1, to: 8)
      | Field.move(field, from: 10, count: 1, to: 12)
  }

  /// CB-type: imm[8|4:3] in bits 12 to 10, imm[7:6|2:1|5] in bits 6 to 2.
  @inline(__always)
  private static func compressedBranch(_ word: UInt32) -> UInt64 {
    let low =
      Field.move(word, from: 3, count: 2, to: 1) | Field.move(word, from: 10, count: 2, to: 3)
      | Field.move(word, from: 2, count: 1, to: 5) | Field.move(word, from: 5, count: 2, to: 6)
    return Field.signed(word, at: 12, bits: 1) &<< 8 | UInt64(low)
  }

  /// Puts imm[8:1] into a CB-type.
  @inline(__always)
  private static func put(compressedBranch field: UInt32?, _ old: UInt32) -> UInt32? {
    guard let field else { return nil }
    return old & 0xffff_e383 | Field.move(field, from: 0, count: 2, to: 3)
      | Field.move(field, from: 2, count: 2, to: 10) | Field.move(field, from: 4, count: 1, to: 2)
      | Field.move(field, from: 5, count: 2, to: 5) | Field.move(field, from: 7, count: 1, to: 12)
  }

  /// `word` without the fields that hold addresses whatever stands around it.
  @inline(__always)
  static func masked(_ word: UInt32) -> UInt32 {
    switch effect(word).kind {
    case .riscJump, .riscPage: word & 0xfff
    case .riscBranch: word & 0x01ff_f07f
    case .riscCompressedJump: word & 0xe003
    case .riscCompressedBranch: word & 0xe383
    default: isWord(word) ? word : word & 0xffff
    }
  }

  /// A number for the instruction.
  ///
  /// The opcode, the function and, in operations on registers only, the long function: bits 6 to 2, 14 to 12 and 31 to 25. Half words have 1 << 16 and up: bits 15 to 13 and
  /// 1, 0, and in quadrants 1 and 2 with function 4 bits 12 to 10 and 6 to 5.
  @inline(__always)
  static func instructionClass(_ word: UInt32) -> Int {
    let function = word >> 12 & 7
    guard isWord(word) else {
      let isOperation = word & 3 != 0 && word >> 13 & 7 == 4
      let long = isOperation ? (word >> 10 & 7) << 2 | word >> 5 & 3 : 0
      return Int(1 << 16 | (word & 3) | (word >> 13 & 7) << 2 | long << 5)
    }
    let opcode = word >> 2 & 31
    switch opcode {
    case 0b01011, 0b01100, 0b01110, 0b10100, 0b10101:
      return Int(opcode | function << 5 | (word >> 25) << 8)
    case 0b00101, 0b01101, 0b11011: return Int(opcode)
    default: return Int(opcode | function << 5)
    }
  }
}
