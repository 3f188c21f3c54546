internal import Bytes

/// Follows the call frame instructions of an FDE while they are decoded.
///
/// What a function saves and in which order is a habit of the compiler; how far its code goes on in
/// between is not. So what is remembered leaves steps of the code out.
struct CallFrameWalk: Sendable {
  /// Bytes of an FDE before its augmentation, whose length is the last one.
  private static let headCount = 17

  /// Start of the record in progress.
  private var record = -1
  /// Where its next byte stands; all before it are looked at.
  private var next = 0
  /// The instruction whose operand comes next, or 0; how many numbers are left; whether they are LEB128.
  private var operation = 0
  private var left = 0
  private var isLEB = false
  /// Whether the augmentation is passed.
  private var isSkipped = false
  /// The last two instructions with the last byte of their operands.
  private var last = 0
  private var before = 0

  /// What is remembered.
  var state: Int { operation << 32 | last << 16 | before }
  /// The same of the last instruction alone.
  var shortState: Int { operation << 16 | last }

  /// Looks at all bytes of the record at `start` before `place`; these are decoded.
  mutating func advance(to place: Int, _ target: Span<UInt8>, record start: Int) {
    if start != record {
      (record, next) = (start, start &+ Self.headCount)
      (operation, left, last, before) = (0, 0, 0, 0)
      isSkipped = false
    }
    guard next < place else { return }
    if !isSkipped {
      isSkipped = true
      if target.word(record &+ 4) != 0 { next &+= target.byte(next &- 1) }
    }
    while next < place {
      add(target.byte(next))
      next &+= 1
    }
  }

  private mutating func add(_ byte: Int) {
    guard operation != 0 else { return begin(byte) }
    if !isLEB || byte < 0x80 { left &-= 1 }
    if !isStep(operation) { last = last & 0xff00 | byte }
    if left == 0 { operation = 0 }
  }

  private mutating func begin(_ byte: Int) {
    isLEB = true
    switch byte {
    case 0x80...0xbf: (operation, left) = (byte, 1)
    case 0x02: (operation, left, isLEB) = (byte, 1, false)
    case 0x03: (operation, left, isLEB) = (byte, 2, false)
    case 0x04: (operation, left, isLEB) = (byte, 4, false)
    case 0x05, 0x09, 0x0c, 0x14, 0x2f: (operation, left) = (byte, 2)
    case 0x06, 0x07, 0x08, 0x0d, 0x0e, 0x12, 0x13, 0x2e: (operation, left) = (byte, 1)
    default: break
    }
    if isStep(byte) { return }
    (before, last) = (last, byte << 8)
  }

  /// Whether an instruction says how far the code goes on.
  private func isStep(_ operation: Int) -> Bool {
    operation >= 2 && operation <= 4 || operation >> 6 == 1
  }
}
