/// Follows the records of `.eh_frame` while they are decoded.
///
/// A linker writes them in the order of the functions, so where one function ends the next one begins,
/// rounded up to what functions are aligned to.
struct FrameWalk: Sendable {
  private static let functionAlignment: UInt64 = 16
  /// Longer records are those of the 64-bit form, which nobody writes.
  private static let longest: UInt64 = 0xffff_fff0

  /// Start of the record in progress.
  private(set) var record = 0
  /// Start of the last CIE.
  private var commonEntry: Int?
  /// Address where the code of the last FDE ends.
  private var end: UInt64 = 0

  /// Whether nothing is expected, for measuring what that earns.
  private let isBlind: Bool

  /// Starts at the first record of a section.
  init(start: Int, isBlind: Bool = false) {
    record = start
    self.isBlind = isBlind
  }

  /// Follows the records up to `place`; all bytes before it are decoded.
  @inline(__always)
  mutating func advance(to place: Int, _ target: Span<UInt8>, slide: UInt64) {
    while record &+ 4 <= place {
      let length = target.little(record, 4)
      let next = record &+ 4 &+ (length < Self.longest ? Int(length) : 0)
      guard next <= place else { return }
      if length >= 12 && length < Self.longest {
        if target.little(record &+ 4, 4) == 0 {
          commonEntry = record
        } else {
          let distance = Int32(truncatingIfNeeded: target.little(record &+ 8, 4))
          let begin =
            UInt64(record &+ 8) &+ slide &+ UInt64(bitPattern: Int64(distance))
          end = begin &+ target.little(record &+ 12, 4)
        }
      }
      record = next
    }
  }

  /// The word at `offset` of the record in progress, as far as it follows from the records before.
  func expected(_ offset: Int, slide: UInt64) -> UInt64? {
    guard !isBlind else { return nil }
    switch offset {
    case 4: return commonEntry.map { UInt64(record &+ 4 &- $0) }
    case 8:
      let next = (end &+ Self.functionAlignment &- 1) & ~(Self.functionAlignment &- 1)
      return (next &- slide &- UInt64(record &+ 8)) & 0xffff_ffff
    default: return nil
    }
  }
}
