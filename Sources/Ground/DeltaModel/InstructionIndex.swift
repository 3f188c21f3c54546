internal import CodeReferences

/// What came before an instruction, references left out.
struct InstructionHistory: Sendable {
  /// Hash of the bytes of the instruction in progress.
  private(set) var soFar: UInt64 = 0
  /// The same without references.
  private var maskedSoFar: UInt64 = 0
  /// Its first bytes, up to three, as one number.
  private(set) var opcode = 0
  private var count = 0
  /// Hashes of the last three instructions, references left out, the last one first.
  private(set) var masked: (UInt64, UInt64, UInt64) = (0, 0, 0)
  /// The classes of the last two.
  private(set) var classes = (0, 0)

  /// Adds a byte to the instruction in progress.
  @inline(__always)
  mutating func add(_ byte: Int, isMasked: Bool) {
    soFar = Self.step(soFar, byte)
    maskedSoFar = Self.step(maskedSoFar, isMasked ? 256 : byte)
    if count < 3 { opcode = opcode << 8 | byte }
    count &+= 1
  }

  /// Ends the instruction.
  @inline(__always)
  mutating func finish(_ instructionClass: Int) {
    masked = (maskedSoFar, masked.0, masked.1)
    classes = (instructionClass, classes.0)
    restart()
  }

  /// Begins another instruction.
  @inline(__always)
  mutating func restart() {
    soFar = 0
    maskedSoFar = 0
    opcode = 0
    count = 0
  }

  /// Adds a whole instruction that stands at `start` of `bytes`.
  @inline(__always)
  mutating func add(_ instruction: X86Instruction, of bytes: Span<UInt8>, at start: Int) {
    let reference = instruction.reference
    let field = reference == .none ? instruction.count : instruction.referenceOffset
    // Of a whole instruction only the hash without references counts.
    var hash = maskedSoFar
    var offset = 0
    while offset < instruction.count {
      if offset == field {
        if reference.isWideReference {
          offset &+= 4
          continue
        }
        hash = Self.step(hash, reference == .relative8 ? 256 : Int(bytes[start &+ offset]))
      } else {
        hash = Self.step(hash, Int(bytes[start &+ offset]))
      }
      offset &+= 1
    }
    maskedSoFar = hash
    finish(instruction.opcodeClass)
  }

  @inline(__always)
  private static func step(_ hash: UInt64, _ byte: Int) -> UInt64 {
    let mixed = (hash ^ UInt64(truncatingIfNeeded: byte &+ 1)) &* 0x9e37_79b9_7f4a_7c15
    return mixed ^ mixed >> 29
  }
}

/// Finds what followed the same two or three instructions before.
struct InstructionIndex: Sendable {
  private var threes: [UInt32]
  private var twos: [UInt32]
  private let shift: UInt64

  /// Makes room for 2^`bits` places each.
  init(bits: Int) {
    threes = Array(repeating: 0, count: 1 << bits)
    twos = Array(repeating: 0, count: 1 << bits)
    shift = UInt64(64 - bits)
  }

  /// Where instructions went on that look like the last two or three.
  @inline(__always)
  func place(after history: InstructionHistory, three: Bool) -> Int? {
    let found = three ? threes[slot(three: history)] : twos[slot(two: history)]
    return found == 0 ? nil : Int(found)
  }

  /// Takes note that `place` follows what `history` holds.
  @inline(__always)
  mutating func insert(_ history: InstructionHistory, at place: Int) {
    threes[slot(three: history)] = UInt32(truncatingIfNeeded: place)
    twos[slot(two: history)] = UInt32(truncatingIfNeeded: place)
  }

  @inline(__always)
  private func slot(three history: InstructionHistory) -> Int {
    let (one, two, three) = history.masked
    let hash =
      (one ^ two &* 0x2545_f491_4f6c_dd1d ^ three &* 0xd6e8_feb8_6659_fd93)
      &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: hash &>> shift)
  }

  @inline(__always)
  private func slot(two history: InstructionHistory) -> Int {
    let hash =
      (history.masked.0 ^ history.masked.1 &* 0x2545_f491_4f6c_dd1d)
      &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: hash &>> shift)
  }
}
