/// One x86-64 instruction: its length, and where its fields stand.
///
/// This is a decoder of lengths and layouts, not of meanings: it reads prefixes, opcode, ModRM and SIB
/// as far as they decide how many bytes follow (Intel SDM volume 2, chapter 2 and appendix A). What it
/// takes for an instruction is frozen by the format: encoder and decoder of deltas both sweep old
/// code with it, so it depends on nothing but the bytes it is given.
///
/// The bytes stand in this order; each part may be absent:
///
///     prefixes | opcode | ModRM | SIB | displacement | immediate | second immediate
///
/// Prefixes are legacy prefixes and REX, and all of VEX, EVEX, XOP and REX2; the opcode is one byte,
/// with the escapes `0F`, `0F 38` and `0F 3A` before it where there are such. The operation of a 3DNow!
/// instruction, which stands last, counts as an immediate of one byte. FWAIT (9B) is an instruction
/// of its own, also before x87.
///
/// Public so that its properties can be inlined (see `ByteKind`).
public struct X86Instruction: Sendable {
  /// The most bytes an instruction can have (Intel SDM volume 2, section 2.3.11).
  package static let mostBytes = 15

  /// Number of bytes of each part, in the order in which they stand.
  @usableFromInline var prefixCount: UInt8 = 0
  @usableFromInline var opcodeCount: UInt8 = 0
  @usableFromInline var modRMCount: UInt8 = 0
  @usableFromInline var sibCount: UInt8 = 0
  @usableFromInline var displacementCount: UInt8 = 0
  @usableFromInline var immediateCount: UInt8 = 0
  @usableFromInline var secondImmediateCount: UInt8 = 0
  /// Whether this is one byte that begins no instruction.
  package private(set) var isBad = false
  /// What the first immediate is, when it is a branch target; `.none` otherwise.
  @usableFromInline var branch = ByteKind.none
  /// Whether the displacement is relative to the end of the instruction.
  @usableFromInline var isRelativeToEnd = false
  /// Which table the opcode is of, the opcode, and the ModRM byte without its middle field.
  @usableFromInline var identity: UInt32 = 0

  /// Reads the instruction at `start` of `bytes`; looks at nothing at or beyond `end`.
  ///
  /// Total: what is no instruction, has more than 15 bytes, or does not end at `end` or before, is
  /// one byte of kind `.bad`; so is a `start` outside of `bytes`.
  @inline(never)
  package init(_ bytes: Span<UInt8>, at start: Int, end: Int) {
    self.init()
    guard start >= 0, start < end, end <= bytes.count else {
      becomeBad()
      return
    }
    let limit = Swift.min(end - start, Self.mostBytes)
    let missing = read(bytes, at: start, count: limit)
    if missing != .none || count > limit { becomeBad() }
  }

  /// Starts without a single byte.
  init() {}

  /// How many bytes it has: at least 1, at most 15.
  @inlinable @inline(__always)
  public var count: Int { Int(immediateOffset &+ immediateCount &+ secondImmediateCount) }

  /// The kind of its reference, that is of the field that is relative to its end; `.none` without one.
  ///
  /// An instruction has at most one. The address it means is that of the instruction, plus `count`,
  /// plus the field as a signed number.
  @inlinable @inline(__always)
  public var reference: ByteKind {
    guard isRelativeToEnd else { return branch }
    switch immediateCount &+ secondImmediateCount {
    case 0: return .rip0
    case 1: return .rip1
    case 2: return .rip2
    default: return .rip4
    }
  }

  /// How many bytes of the instruction stand before its reference; `count` without one.
  @inlinable @inline(__always)
  public var referenceOffset: Int {
    if isRelativeToEnd { return Int(displacementOffset) }
    return branch == .none ? count : Int(immediateOffset)
  }

  /// A number below 2^21 that says which instruction this is.
  ///
  /// `table << 16 | opcode << 8 | ModRM & 0xC7`, the last 0 without ModRM; 0x1F0000 for a bad byte. Tables
  /// are 0 for one-byte opcodes, 1 for 0F, 2 for 0F 38, 3 for 0F 3A, 4 + map for VEX, 12 + map for
  /// EVEX, and 12 + map for XOP, whose maps begin with 8. REX2 leads to tables 0 and 1.
  @inlinable @inline(__always)
  public var opcodeClass: Int { Int(identity) }

  @inlinable @inline(__always)
  var displacementOffset: UInt8 { prefixCount &+ opcodeCount &+ modRMCount &+ sibCount }
  @inlinable @inline(__always)
  var immediateOffset: UInt8 { displacementOffset &+ displacementCount }

  private mutating func becomeBad() {
    self = Self()
    isBad = true
    opcodeCount = 1
    identity = X86Table.bad
  }
}
