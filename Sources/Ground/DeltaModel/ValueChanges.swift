internal import CodeReferences

/// How constants change: each as it changed last time, or by as much as the one before.
struct ValueChanges: Sendable {
  private static let tableBits: UInt64 = 13

  private struct Entry: Sendable {
    var old: UInt64 = 0
    var new: UInt64 = 0
    var kind: UInt8 = 0
  }

  private var entries = Array(repeating: Entry(), count: 1 << tableBits)
  private var lastChange = Array(repeating: 0 as UInt64, count: ByteKind.count)
  private var hasChanged = Array(repeating: false, count: ByteKind.count)
  /// What became of each register: a compiler that needs one more gives the others new numbers.
  private(set) var registers = WordRegisters()
  /// Whether that is noted; always, but where its worth is measured.
  var followsRegisters = true

  /// Adds what the value of `kind` may have become.
  @inline(__always)
  func predict(_ kind: ByteKind, _ result: inout FieldPrediction) {
    let entry = entries[Self.slot(kind, result.old)]
    if entry.kind == kind.rawValue && entry.old == result.old { result.add(entry.new) }
    if kind == .armWord || kind == .loongWord {
      result.add(result.old)
      let word = UInt32(truncatingIfNeeded: result.old)
      result.add(UInt64(registers.renamed(word, registers: kind.plainRegisters(word))))
    }
    guard kind.isConstant else { return }
    let moved = (result.old &+ lastChange[kind.number]) & 0xffff_ffff
    if hasChanged[kind.number] { result.add(moved) }
    result.add(result.old)
    result.add(moved)
  }

  /// Takes note of what a value became.
  mutating func learn(_ kind: ByteKind, old: UInt64, new: UInt64) {
    guard kind.isConstant || kind.isPlainWord else { return }
    let slot = Self.slot(kind, old)
    let entry = entries[slot]
    if old != new || entry.kind == kind.rawValue && entry.old == old {
      entries[slot] = Entry(old: old, new: new, kind: kind.rawValue)
    }
    if kind == .armWord || kind == .loongWord {
      let (before, after) = (UInt32(truncatingIfNeeded: old), UInt32(truncatingIfNeeded: new))
      // Words that differ in more than registers say nothing about these.
      let mask = kind.plainRegisters(before)
      if WordRegisters.isRenaming(before, after, registers: mask) {
        rename(before, after, registers: mask)
      }
    }
    guard kind.isConstant else { return }
    hasChanged[kind.number] = old != new
    if old != new { lastChange[kind.number] = new &- old }
  }

  /// Takes note of what the registers of a word became; `registers` is a mask of them.
  mutating func rename(_ old: UInt32, _ new: UInt32, registers mask: UInt32) {
    guard followsRegisters else { return }
    registers.learn(old, new, registers: mask)
  }

  @inline(__always)
  private static func slot(_ kind: ByteKind, _ value: UInt64) -> Int {
    let hash = (value &* 64 &+ UInt64(kind.number)) &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: hash >> (64 &- tableBits))
  }
}

extension ByteKind {
  /// A displacement or immediate of x86-64.
  @inline(__always)
  var isConstant: Bool { self == .displacement32 || self == .immediate32 }

  /// An instruction of fixed width that holds no address.
  @inline(__always)
  var isPlainWord: Bool {
    self == .armWord || self == .loongWord || self == .riscWord || self == .riscHalf
  }
}
