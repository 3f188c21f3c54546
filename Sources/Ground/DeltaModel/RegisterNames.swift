internal import CodeReferences

/// What became of the registers of x86-64 code: a compiler that needs one more gives the others new
/// numbers, and all bytes that name them change alike.
///
/// Follows the instructions of a block that differs, byte by byte, as they are in the base and as they
/// were decoded.
struct RegisterNames: Sendable {
  /// By register of the base, what it was last in the target: general ones, and those of vectors.
  private var general = InlineArray<16, Int> { $0 }
  private var vector = InlineArray<16, Int> { $0 }

  /// REX of the instruction in progress, in the base and as decoded; 0 without.
  private var rex = (old: 0, new: 0)
  /// Its last byte of opcode in the base, and how many there were.
  private var opcode = 0
  private var opcodeCount = 0
  /// Whether its opcode is one byte behind the escape `0F`.
  private var isTwoByte = false
  /// Whether nothing but registers has changed in it.
  private var isSame = false
  /// Whether it began with a prefix that names registers in its own way (VEX, EVEX).
  private var isVector = false
  /// Which register its displacement is added to, as decoded, and how that was said; 0 where unknown.
  private(set) var frame = 0

  /// Begins an instruction.
  mutating func begin() {
    interrupt()
    isSame = true
  }

  /// Goes on in the middle of an instruction of which nothing is known.
  mutating func interrupt() {
    rex = (0, 0)
    (opcode, opcodeCount, isTwoByte) = (0, 0, false)
    (isSame, isVector, frame) = (false, false, 0)
  }

  /// Returns what the byte of `kind` at `old` is with its registers renamed.
  func renamed(_ kind: ByteKind, at old: Int, base: Span<UInt8>) -> Int {
    let was = base.byte(old)
    guard !isVector else { return was }
    switch kind {
    case .prefix: return was & 0xf0 == 0x40 ? renamedREX(was, at: old, base) : was
    case .opcode:
      guard namesRegister(was) else { return was }
      return was & 0xf8 | general[(rex.old & 1) << 3 | was & 7] & 7
    case .modRM: return renamedModRM(was)
    case .sib:
      let index = general[(rex.old & 2) << 2 | was >> 3 & 7] & 7
      return was & 0xc0 | index << 3 | general[(rex.old & 1) << 3 | was & 7] & 7
    default: return was
    }
  }

  /// Takes note of what the byte `was` became.
  mutating func learn(_ kind: ByteKind, was: Int, now: Int) {
    switch kind {
    case .prefix: learnPrefix(was, now)
    case .opcode: learnOpcode(was, now)
    case .modRM:
      frame = 64 | (now >> 6) << 4 | (rex.new & 1) << 3 | now & 7
      learnModRM(was, now)
    case .sib:
      frame = 128 | (rex.new & 1) << 3 | now & 7
      guard isSame && !isVector && (was ^ now) & 0xc0 == 0 else { return }
      general[(rex.old & 2) << 2 | was >> 3 & 7] = (rex.new & 2) << 2 | now >> 3 & 7
      general[(rex.old & 1) << 3 | was & 7] = (rex.new & 1) << 3 | now & 7
    default: break
    }
  }
}

extension RegisterNames {
  private func renamedModRM(_ was: Int) -> Int {
    let usesVectors = isTwoByte && Self.isOfVectors(opcode) || opcodeCount > 2
    var result = was
    if !Self.isExtended(opcode, isTwoByte) {
      let register = (rex.old & 4) << 1 | was >> 3 & 7
      result = result & 0xc7 | ((usesVectors ? vector[register] : general[register]) & 7) << 3
    }
    let other = (rex.old & 1) << 3 | was & 7
    if was >> 6 == 3 {
      return result & 0xf8 | (usesVectors ? vector[other] : general[other]) & 7
    }
    return Self.hasBase(was) ? result & 0xf8 | general[other] & 7 : result
  }

  /// REX has the upper bits of registers whose lower ones stand behind it.
  private func renamedREX(_ was: Int, at old: Int, _ base: Span<UInt8>) -> Int {
    var place = old &+ 1
    let isTwoByte = base.byte(place) == 0x0f
    if isTwoByte { place &+= 1 }
    let opcode = base.byte(place)
    if isTwoByte && (opcode == 0x38 || opcode == 0x3a) { return was }
    if Self.namesRegister(opcode, isTwoByte) {
      return was & 0xfe | general[(was & 1) << 3 | opcode & 7] >> 3
    }
    let usesVectors = isTwoByte && Self.isOfVectors(opcode)
    let modRM = base.byte(place &+ 1)
    var result = was
    if !Self.isExtended(opcode, isTwoByte) {
      let register = (was & 4) << 1 | modRM >> 3 & 7
      result = result & 0xfb | ((usesVectors ? vector[register] : general[register]) >> 3) << 2
    }
    let other = (was & 1) << 3 | modRM & 7
    if modRM >> 6 == 3 {
      return result & 0xfe | (usesVectors ? vector[other] : general[other]) >> 3
    }
    guard modRM & 7 == 4 else { return result & 0xfe | general[other] >> 3 }
    let sib = base.byte(place &+ 2)
    let index = general[(was & 2) << 2 | sib >> 3 & 7] >> 3
    return result & 0xfc | index << 1 | general[(was & 1) << 3 | sib & 7] >> 3
  }

  private mutating func learnPrefix(_ was: Int, _ now: Int) {
    if was & 0xf0 == 0x40 {
      rex = (was, now)
      if (was ^ now) & 0xf8 != 0 { isSame = false }
      return
    }
    if was == 0xc4 || was == 0xc5 || was == 0x62 { isVector = true }
    if was != now { isSame = false }
  }

  private mutating func learnOpcode(_ was: Int, _ now: Int) {
    let namesRegister = namesRegister(was)
    isTwoByte = opcodeCount == 1 && opcode == 0x0f
    opcodeCount &+= 1
    opcode = was
    guard namesRegister && !isVector else {
      if was != now { isSame = false }
      return
    }
    if isSame && (was ^ now) & 0xf8 == 0 {
      general[(rex.old & 1) << 3 | was & 7] = (rex.new & 1) << 3 | now & 7
    }
  }

  private mutating func learnModRM(_ was: Int, _ now: Int) {
    guard isSame && !isVector && was >> 6 == now >> 6 else {
      isSame = false
      return
    }
    let usesVectors = isTwoByte && Self.isOfVectors(opcode) || opcodeCount > 2
    let register = (rex.old & 4) << 1 | was >> 3 & 7
    if !Self.isExtended(opcode, isTwoByte) {
      let name = (rex.new & 4) << 1 | now >> 3 & 7
      if usesVectors { vector[register] = name } else { general[register] = name }
    } else if (was ^ now) & 0x38 != 0 {
      isSame = false
      return
    }
    let other = (rex.old & 1) << 3 | was & 7
    let name = (rex.new & 1) << 3 | now & 7
    if was >> 6 == 3 {
      if usesVectors { vector[other] = name } else { general[other] = name }
    } else if Self.hasBase(was) && now & 7 != 4 {
      general[other] = name
    } else if (was ^ now) & 7 != 0 {
      isSame = false
    }
  }

  /// Whether a byte of opcode that comes next holds a register in its lower bits.
  private func namesRegister(_ byte: Int) -> Bool {
    switch opcodeCount {
    case 0: Self.namesRegister(byte, false)
    case 1: opcode == 0x0f && Self.namesRegister(byte, true)
    default: false
    }
  }

  /// PUSH, POP, MOV with an immediate, XCHG with RAX; BSWAP.
  private static func namesRegister(_ opcode: Int, _ isTwoByte: Bool) -> Bool {
    isTwoByte
      ? opcode & 0xf8 == 0xc8
      : opcode & 0xf0 == 0x50 || opcode & 0xf0 == 0xb0 || opcode & 0xf8 == 0x90
  }

  /// Whether the registers of the opcode behind `0F` are those of vectors.
  private static func isOfVectors(_ opcode: Int) -> Bool {
    switch opcode {
    case 0x10...0x17, 0x28...0x2f, 0x50...0x7f, 0xc2, 0xc4...0xc6, 0xd0...0xff: true
    default: false
    }
  }

  /// Whether the middle field of ModRM is a part of the opcode.
  private static func isExtended(_ opcode: Int, _ isTwoByte: Bool) -> Bool {
    guard isTwoByte else {
      switch opcode {
      case 0x80...0x83, 0x8f, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0...0xdf, 0xf6, 0xf7, 0xfe, 0xff:
        return true
      default: return false
      }
    }
    switch opcode {
    case 0x00, 0x01, 0x0d, 0x18...0x1f, 0x71...0x73, 0x90...0x9f, 0xae, 0xba, 0xc7: return true
    default: return false
    }
  }

  /// Whether the lower field of a ModRM that names memory is a register: no SIB, not relative.
  private static func hasBase(_ modRM: Int) -> Bool {
    modRM & 7 != 4 && modRM & 0xc7 != 5
  }
}
