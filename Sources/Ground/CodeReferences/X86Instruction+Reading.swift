/// Reads the bytes of one instruction in order, as far as they are known.
struct X86Reader {
  let start: Int
  let end: Int
  /// The next byte.
  private(set) var position: Int

  /// Begins at `start`; all bytes before `end` must be there.
  @inline(__always)
  init(start: Int, end: Int) {
    self.start = start
    self.end = end
    position = start
  }

  /// How many bytes were read.
  @inline(__always)
  var count: UInt8 { UInt8(truncatingIfNeeded: position &- start) }

  /// Returns the next byte, or nil when it is not known.
  @inline(__always)
  mutating func next(_ bytes: Span<UInt8>) -> UInt8? {
    guard position < end else { return nil }
    let byte = bytes[position]
    position &+= 1
    return byte
  }
}

/// What prefixes say about lengths.
struct X86Prefixes {
  /// Prefix 66, or `pp` = 1 of EVEX map 4.
  var isOperand16 = false
  /// Prefix 67.
  var isAddress32 = false
  /// Prefix F2.
  var isF2 = false
  /// REX.W, or its counterpart in REX2 and in EVEX map 4.
  var isWide = false
  /// Whether the last prefix was a REX.
  var endsWithREX = false

  /// Takes in `byte` if it is a prefix of one byte; false if it is not.
  @inline(__always)
  mutating func take(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x40...0x4f:
      isWide = byte & 8 != 0
      endsWithREX = true
      return true
    case 0x66: isOperand16 = true
    case 0x67: isAddress32 = true
    case 0xf2: isF2 = true
    case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0, 0xf3: break
    default: return false
    }
    endsWithREX = false
    return true
  }
}

extension X86Instruction {
  /// Reads the layout from the first `count` bytes at `start`, all of which there must be.
  ///
  /// Returns `.none` when these bytes decide the layout (the instruction may still end behind them),
  /// `.bad` when no instruction begins so, and else the kind of the byte that must be known next.
  ///
  /// A REX prefix that is not the last prefix has no effect (Intel SDM volume 2, section 2.2.1). No
  /// assembler makes it, so here it is bad: GNU objdump, too, takes it for a thing of its own.
  @inline(__always)
  mutating func read(_ bytes: Span<UInt8>, at start: Int, count: Int) -> ByteKind {
    var reader = X86Reader(start: start, end: start &+ count)
    var prefixes = X86Prefixes()
    while let byte = reader.next(bytes) {
      let form = X86Table.oneByteForm(of: byte)
      if form != X86Form.special {
        return readOperands(bytes, &reader, X86Table.oneByte, byte, form, prefixes)
      }
      let hadREX = prefixes.endsWithREX
      guard prefixes.take(byte) else {
        prefixCount = reader.count &- 1
        return readSpecial(bytes, &reader, byte, &prefixes)
      }
      if hadREX { return .bad }
      prefixCount = reader.count
    }
    return .opcode
  }

  /// Reads on behind a byte that is neither an opcode nor a prefix of one byte.
  @inline(__always)
  private mutating func readSpecial(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ byte: UInt8, _ prefixes: inout X86Prefixes
  ) -> ByteKind {
    switch byte {
    case 0x0f: readTwoByte(bytes, &reader, prefixes)
    case 0xc5: readVEX2(bytes, &reader, &prefixes)
    case 0xc4: readVEX3(bytes, &reader, &prefixes)
    case 0x62: readEVEX(bytes, &reader, &prefixes)
    case 0x8f: readPopOrXOP(bytes, &reader, &prefixes)
    case 0xd5: readREX2(bytes, &reader, &prefixes)
    default: .bad
    }
  }

  /// Reads what stands behind 0F.
  @inline(__always)
  private mutating func readTwoByte(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ prefixes: X86Prefixes
  ) -> ByteKind {
    guard let opcode = reader.next(bytes) else { return .opcode }
    let form = X86Table.twoByteForm(of: opcode)
    if form != X86Form.special {
      return readOperands(bytes, &reader, X86Table.twoByte, opcode, form, prefixes)
    }
    if opcode & 0xfc == 0x20 { return readRegisterMove(bytes, &reader, opcode) }
    guard opcode == 0x38 || opcode == 0x3a else { return .bad }
    guard let last = reader.next(bytes) else { return .opcode }
    return opcode == 0x38
      ? readOperands(bytes, &reader, X86Table.threeByte38, last, X86Form.modRM, prefixes)
      : readOperands(bytes, &reader, X86Table.threeByte3A, last, X86Form.modRMByte, prefixes)
  }

  /// Reads a MOV to or from a control or debug register, whose ModRM never asks for an address.
  @inline(__always)
  private mutating func readRegisterMove(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ opcode: UInt8
  ) -> ByteKind {
    opcodeCount = reader.count &- prefixCount
    guard let modRM = reader.next(bytes) else { return .modRM }
    identity = X86Table.twoByte | UInt32(opcode) << 8 | UInt32(modRM & 0xc7)
    modRMCount = 1
    return .none
  }

  /// Reads what stands behind an opcode of one of the legacy tables; its last byte was just read.
  @inline(__always)
  mutating func readOperands(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ table: UInt32, _ opcode: UInt8,
    _ form: UInt8, _ prefixes: X86Prefixes
  ) -> ByteKind {
    opcodeCount = reader.count &- prefixCount
    identity = table | UInt32(opcode) << 8
    guard form >= X86Form.modRM else { return readImmediate(form, prefixes) }
    guard let modRM = reader.next(bytes) else { return .modRM }
    if table == X86Table.oneByte, !X86Table.isAssigned(opcode, modRM) { return .bad }
    identity |= UInt32(modRM & 0xc7)
    modRMCount = 1
    readTail(modRM, form, prefixes)
    return readAddress(bytes, &reader, modRM)
  }

  /// Sets the fields of an instruction without ModRM.
  @inline(__always)
  private mutating func readImmediate(_ form: UInt8, _ prefixes: X86Prefixes) -> ByteKind {
    let full: UInt8 = prefixes.isWide || !prefixes.isOperand16 ? 4 : 2
    switch form {
    case X86Form.byte: immediateCount = 1
    case X86Form.word: immediateCount = 2
    case X86Form.full: immediateCount = full
    case X86Form.wide: immediateCount = prefixes.isWide ? 8 : full
    case X86Form.address:
      if prefixes.isAddress32 { displacementCount = 4 } else { immediateCount = 8 }
    case X86Form.branch8:
      immediateCount = 1
      branch = .relative8
    case X86Form.branch32:
      immediateCount = 4
      branch = .relative32
    case X86Form.wordAndByte:
      immediateCount = 2
      secondImmediateCount = 1
    default: break
    }
    return .none
  }

  /// Sets the immediates of an instruction with ModRM.
  @inline(__always)
  private mutating func readTail(_ modRM: UInt8, _ form: UInt8, _ prefixes: X86Prefixes) {
    let full: UInt8 = prefixes.isWide || !prefixes.isOperand16 ? 4 : 2
    switch form {
    case X86Form.modRMByte: immediateCount = 1
    case X86Form.modRMFull:
      immediateCount = full
      // XBEGIN; with prefix 66 its target has two bytes, which no assembler asks for.
      if modRM == 0xf8, full == 4, identity >> 8 == 0xc7 { branch = .relative32 }
    case X86Form.testByte: immediateCount = modRM & 0x30 == 0 ? 1 : 0
    case X86Form.testFull: immediateCount = modRM & 0x30 == 0 ? full : 0
    case X86Form.modRMTwoBytes where prefixes.isOperand16 || prefixes.isF2:
      immediateCount = 1
      secondImmediateCount = 1
    default: break
    }
  }

  /// Reads SIB and sets the displacement (Intel SDM volume 2, tables 2-2 and 2-3, in 64-bit mode).
  @inline(__always)
  private mutating func readAddress(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ modRM: UInt8
  ) -> ByteKind {
    let mode = modRM >> 6
    guard mode != 3 else { return .none }
    displacementCount = mode == 1 ? 1 : mode == 2 ? 4 : 0
    if modRM & 7 == 4 {
      sibCount = 1
      guard let sib = reader.next(bytes) else { return .sib }
      if mode == 0, sib & 7 == 5 { displacementCount = 4 }
    } else if mode == 0, modRM & 7 == 5 {
      displacementCount = 4
      isRelativeToEnd = true
    }
    return .none
  }
}
