/// The layouts of usual x86-64 instructions, looked up by their first bytes rather than read.
///
/// Nearly all instructions of a program have at most one legacy prefix (66, F2 or F3), a REX, an opcode of the
/// one-byte or two-byte table, and what that asks for. Their layouts are few, and each has a number:
///
///     bits 0 to 2   the immediate (`Immediate`)
///     bit 3         whether 0F stands before the opcode
///     bits 4 and 5  how many prefixes there are
///     bits 6 to 8   ModRM, SIB and displacement (`Operand`)
///
/// What is said of a shape is what `X86Instruction.read` says of each instruction that has it: the tables are made
/// with it, and a sweep over code asks them twice for every instruction.
package struct X86Shapes: Sendable {
  /// What the immediate is.
  private enum Immediate: UInt16, CaseIterable {
    case none, byte, word, long, quad, branch8, branch32

    var count: UInt8 { [0, 1, 2, 4, 8, 1, 4][Int(rawValue)] }
  }

  /// What follows the opcode before the immediate.
  private enum Operand: UInt16, CaseIterable {
    case none, register, near, far, relative, index, nearIndex, farIndex
  }

  /// Number of shapes.
  private static let count = 1 << 9
  private static let immediateMask: UInt16 = 7
  private static let escape: UInt16 = 1 << 3
  private static let prefixUnit = 1 << 4
  private static let operandShift: UInt16 = 6
  private static let operandMask: UInt16 = 7 << operandShift
  /// Of an opcode that has no shape.
  private static let special: UInt16 = 1 << 15
  /// Of an opcode whose shape depends on ModRM.
  private static let asksModRM: UInt16 = 1 << 14
  /// Offsets in `opcodes`: prefix 66 without REX.W, and REX.W.
  private static let operand16 = 1 << 9
  private static let wide = 2 << 9
  /// Offset in `operands` of those whose SIB has no base.
  private static let withoutBase = 1 << 8

  /// The one set of tables.
  package static let shared = X86Shapes()

  /// By prefixes, escape and opcode: the bits of its immediate, `operandMask` if it has ModRM, and marks.
  private let opcodes: [UInt16]
  /// By ModRM, and whether a SIB would have base 5, the bits of the operand.
  private let operands: [UInt16]
  /// How many bytes an instruction of each shape has.
  private let counts: [UInt8]
  /// The kinds of its bytes with their marks, sixteen for each shape, those behind the instruction zero.
  private let kinds: [UInt64]

  private init() {
    opcodes = (0..<3 << 9).map { index in
      let byte = UInt8(truncatingIfNeeded: index)
      let isEscaped = index & 0x100 != 0
      return Self.entry(
        isEscaped ? X86Table.twoByteForm(of: byte) : X86Table.oneByteForm(of: byte), byte,
        isOneByte: !isEscaped, isOperand16: index >> 9 == 1, isWide: index >> 9 == 2)
    }
    operands = (0..<512).map { index in
      Self.operand(UInt8(truncatingIfNeeded: index), isWithoutBase: index & 0x100 != 0).rawValue
        << Self.operandShift
    }
    let layouts = (0..<Self.count).map { Self.layout(UInt16($0)) }
    counts = layouts.map { UInt8($0?.count ?? 1) }
    kinds = layouts.flatMap { layout in
      var bytes = [UInt8](repeating: 0, count: 16)
      var span = bytes.mutableSpan
      layout?.write(kinds: &span, at: 0)
      return [bytes.span.littleEndian64(at: 0), bytes.span.littleEndian64(at: 8)]
    }
  }

  /// Returns the number of the shape of an instruction with these first eight bytes, which must all be there; nil
  /// when it has none.
  @inline(__always)
  package func number(_ head: UInt64) -> Int? {
    var head = head
    var number = 0
    var table = 0
    if head & 0xff == 0x66 || head & 0xfe == 0xf2 {
      table = head & 0xff == 0x66 ? Self.operand16 : 0
      number = Self.prefixUnit
      head >>= 8
    }
    if head & 0xf0 == 0x40 {
      table = head & 8 != 0 ? Self.wide : table
      number &+= Self.prefixUnit
      head >>= 8
    }
    if head & 0xff == 0x0f {
      table |= 0x100
      number |= Int(Self.escape)
      head >>= 8
    }
    let opcode = opcodes[table | Int(truncatingIfNeeded: head & 0xff)]
    let modRM = Int(truncatingIfNeeded: head >> 8 & 0xff)
    let operand = operands[modRM | (head & 0x7_0000 == 0x5_0000 ? Self.withoutBase : 0)]
    number |= Int(opcode & (operand | Self.immediateMask))
    guard opcode >= Self.asksModRM else { return number }
    guard opcode < Self.special else { return nil }
    return Self.resolved(
      number, UInt8(truncatingIfNeeded: head), UInt8(truncatingIfNeeded: modRM))
  }

  /// How many bytes an instruction of this shape has, at most 15.
  @inline(__always)
  package func count(_ number: Int) -> Int { Int(counts[number]) }

  /// Writes the kind of each byte as `X86Instruction.write` does, to `kinds` from index `at` on; sixteen bytes must be
  /// there, of which those behind the instruction become zero.
  @inline(__always)
  package func write(_ number: Int, to kinds: inout MutableSpan<UInt8>, at: Int) {
    kinds.store(self.kinds[2 &* number], at: at)
    kinds.store(self.kinds[2 &* number &+ 1], at: at &+ 8)
  }

  /// Returns the shape of an instruction of which ModRM decides whether it is one, or whether it has an immediate.
  private static func resolved(_ number: Int, _ opcode: UInt8, _ modRM: UInt8) -> Int? {
    // TEST; all others of F6 and F7 have no immediate.
    if opcode & 0xfe == 0xf6 {
      return modRM & 0x30 == 0 ? number : number & ~Int(immediateMask)
    }
    // XBEGIN has a branch.
    guard X86Table.isAssigned(opcode, modRM), opcode != 0xc7 || modRM != 0xf8 else { return nil }
    return number
  }

  /// What `opcodes` has of an opcode with this digit.
  private static func entry(
    _ form: UInt8, _ opcode: UInt8, isOneByte: Bool, isOperand16: Bool, isWide: Bool
  ) -> UInt16 {
    let full = isOperand16 ? Immediate.word : .long
    let depends = isOneByte && [0x8d, 0xc6, 0xc7, 0xfe, 0xff].contains(opcode)
    let modRM = operandMask | (depends ? asksModRM : 0)
    return switch form {
    case X86Form.plain: Immediate.none.rawValue
    case X86Form.byte: Immediate.byte.rawValue
    case X86Form.word: Immediate.word.rawValue
    case X86Form.full: full.rawValue
    case X86Form.wide: (isWide ? Immediate.quad : full).rawValue
    case X86Form.branch8: Immediate.branch8.rawValue
    case X86Form.branch32: Immediate.branch32.rawValue
    case X86Form.modRM: modRM
    case X86Form.modRMByte: modRM | Immediate.byte.rawValue
    case X86Form.modRMFull: modRM | full.rawValue
    case X86Form.testByte: operandMask | asksModRM | Immediate.byte.rawValue
    case X86Form.testFull: operandMask | asksModRM | full.rawValue
    default: special
    }
  }

  private static func operand(_ modRM: UInt8, isWithoutBase: Bool) -> Operand {
    let hasIndex = modRM & 7 == 4
    return switch modRM >> 6 {
    case 0 where modRM & 7 == 5: .relative
    case 0 where hasIndex: isWithoutBase ? .farIndex : .index
    case 0, 3: .register
    case 1: hasIndex ? .nearIndex : .near
    default: hasIndex ? .farIndex : .far
    }
  }

  /// An instruction of the shape `number`; nil when there is none.
  private static func layout(_ number: UInt16) -> X86Instruction? {
    let prefixes = number >> 4 & 3
    guard let immediate = Immediate(rawValue: number & immediateMask), prefixes < 3,
      let operand = Operand(rawValue: number >> operandShift)
    else { return nil }
    var layout = X86Instruction()
    layout.prefixCount = UInt8(prefixes)
    layout.opcodeCount = number & escape == 0 ? 1 : 2
    layout.modRMCount = operand == .none ? 0 : 1
    layout.sibCount = operand.rawValue >= Operand.index.rawValue ? 1 : 0
    layout.displacementCount =
      switch operand {
      case .none, .register, .index: 0
      case .near, .nearIndex: 1
      case .far, .farIndex, .relative: 4
      }
    layout.isRelativeToEnd = operand == .relative
    layout.immediateCount = immediate.count
    if immediate == .branch8 { layout.branch = .relative8 }
    if immediate == .branch32 { layout.branch = .relative32 }
    return layout.count <= X86Instruction.mostBytes ? layout : nil
  }
}
