/// Encodings that fold prefixes, escapes and REX into a payload of one to three bytes.
///
/// In 64-bit mode their first byte means nothing else, with the exception of 8F. Unassigned opcodes
/// of their maps are taken for instructions, since all of a map have the same layout: code for
/// processors to come should not look like data.
extension X86Instruction {
  /// Reads on behind C5: payload and opcode (Intel SDM volume 2, section 2.3.5).
  @inline(__always)
  mutating func readVEX2(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ prefixes: inout X86Prefixes
  ) -> ByteKind {
    guard reader.next(bytes) != nil else { return .prefix }
    prefixes.isOperand16 = false
    return readVectorOpcode(bytes, &reader, X86Table.vex, 1, prefixes)
  }

  /// Reads on behind C4: two bytes of payload, the map in the lower five bits of the first.
  @inline(__always)
  mutating func readVEX3(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ prefixes: inout X86Prefixes
  ) -> ByteKind {
    guard let first = reader.next(bytes) else { return .prefix }
    guard reader.next(bytes) != nil else { return .prefix }
    prefixes.isOperand16 = false
    return readVectorOpcode(bytes, &reader, X86Table.vex, first & 0x1f, prefixes)
  }

  /// Reads on behind 62: three bytes of payload, the map in the lower three bits of the first.
  ///
  /// The bits that APX gave a meaning (Intel APX specification, section 3.1.4) are not looked at.
  @inline(__always)
  mutating func readEVEX(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ prefixes: inout X86Prefixes
  ) -> ByteKind {
    guard let first = reader.next(bytes) else { return .prefix }
    guard let second = reader.next(bytes) else { return .prefix }
    guard reader.next(bytes) != nil else { return .prefix }
    prefixes.isOperand16 = first & 7 == 4 && second & 3 == 1
    prefixes.isWide = second & 0x80 != 0
    return readVectorOpcode(bytes, &reader, X86Table.evex, first & 7, prefixes)
  }

  /// Reads on behind 8F: POP, or a payload of two bytes (AMD64 APM volume 6, section 1.2).
  @inline(__always)
  mutating func readPopOrXOP(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ prefixes: inout X86Prefixes
  ) -> ByteKind {
    var ahead = reader
    guard let first = ahead.next(bytes) else { return .modRM }
    if first & 0x38 == 0 {
      return readOperands(bytes, &reader, X86Table.oneByte, 0x8f, X86Form.modRM, prefixes)
    }
    let map = first & 0x1f
    guard map >= 8, map <= 10 else { return .bad }
    guard ahead.next(bytes) != nil else { return .prefix }
    guard let opcode = readOpcode(bytes, &ahead) else { return .opcode }
    reader = ahead
    prefixes.isOperand16 = false
    let form = map == 8 ? X86Form.modRMByte : map == 9 ? X86Form.modRM : X86Form.modRMFull
    let table = X86Table.xop + UInt32(map - 8) << 16
    return readOperands(bytes, &reader, table, opcode, form, prefixes)
  }

  /// Reads on behind D5: one byte of payload, then an opcode of the one-byte or, with bit 7, of the
  /// two-byte table (Intel APX specification, section 3.1.2).
  @inline(__always)
  mutating func readREX2(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ prefixes: inout X86Prefixes
  ) -> ByteKind {
    guard let payload = reader.next(bytes) else { return .prefix }
    guard let opcode = readOpcode(bytes, &reader) else { return .opcode }
    prefixes.isWide = payload & 8 != 0
    prefixes.isAddress32 = false
    let isTwoByte = payload & 0x80 != 0
    let form =
      isTwoByte ? X86Table.twoByteFormREX2(of: opcode) : X86Table.oneByteFormREX2(of: opcode)
    guard form != X86Form.special else { return .bad }
    let table = isTwoByte ? X86Table.twoByte : X86Table.oneByte
    return readOperands(bytes, &reader, table, opcode, form, prefixes)
  }

  /// Reads an opcode behind a payload, all of which counts as prefix.
  @inline(__always)
  private mutating func readOpcode(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader
  ) -> UInt8? {
    prefixCount = reader.count
    return reader.next(bytes)
  }

  /// Reads opcode and operands of map `map` of VEX or EVEX.
  @inline(__always)
  private mutating func readVectorOpcode(
    _ bytes: Span<UInt8>, _ reader: inout X86Reader, _ base: UInt32, _ map: UInt8,
    _ prefixes: X86Prefixes
  ) -> ByteKind {
    guard map >= 1, map <= 7 else { return .bad }
    guard let opcode = readOpcode(bytes, &reader) else { return .opcode }
    let isEVEX = base == X86Table.evex
    let form =
      isEVEX && map == 4
      ? X86Table.promotedForm(of: opcode) : X86Table.vectorForm(of: opcode, map: map)
    guard form != X86Form.special else { return .bad }
    return readOperands(bytes, &reader, base + UInt32(map) << 16, opcode, form, prefixes)
  }
}

extension X86Table {
  /// Returns what follows `opcode` of map 1, 2, 3, 5, 6 or 7 of VEX and EVEX.
  @inline(__always)
  static func vectorForm(of opcode: UInt8, map: UInt8) -> UInt8 {
    switch map {
    case 1:
      let form = twoByteForm(of: opcode)
      // VZEROUPPER and VZEROALL are the only ones without ModRM.
      if opcode == 0x77 { return X86Form.plain }
      // What 0F 78, 7A and 7B are not, EVEX.0F 78, 7A and 7B are: conversions.
      if opcode & 0xfc == 0x78 { return X86Form.modRM }
      return form >= X86Form.modRM ? form : X86Form.special
    case 2, 5, 6: return X86Form.modRM
    case 3: return X86Form.modRMByte
    // URDMSR, UWRMSR and their like: four bytes, with whatever `pp`.
    case 7: return X86Form.modRMFull
    default: return X86Form.special
    }
  }

  /// Returns what follows `opcode` of EVEX map 4, which holds instructions of the legacy tables
  /// (Intel APX specification, section 3.1.4).
  @inline(__always)
  static func promotedForm(of opcode: UInt8) -> UInt8 {
    // SHLD and SHRD.
    if opcode == 0x24 || opcode == 0x2c { return X86Form.modRMByte }
    let form = oneByteForm(of: opcode)
    return form > X86Form.modRM ? form : X86Form.modRM
  }

  /// Returns what follows `opcode` of the one-byte table behind REX2: nothing that has a target.
  @inline(__always)
  static func oneByteFormREX2(of opcode: UInt8) -> UInt8 {
    switch opcode {
    case 0x8f: X86Form.modRM
    // JMPABS has eight bytes whatever the prefixes.
    case 0xa1: X86Form.address
    case 0x40...0x4f, 0x70...0x7f, 0xa0...0xaf, 0xe0...0xef: X86Form.special
    default: oneByteForm(of: opcode)
    }
  }

  /// Returns what follows `opcode` of the two-byte table behind REX2.
  @inline(__always)
  static func twoByteFormREX2(of opcode: UInt8) -> UInt8 {
    switch opcode {
    case 0x20...0x23: X86Form.modRM
    case 0x30...0x3f, 0x80...0x8f: X86Form.special
    default: twoByteForm(of: opcode)
    }
  }
}
