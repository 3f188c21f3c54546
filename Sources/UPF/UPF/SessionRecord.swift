/// Where a session's counters lie among its cells: two cache lines, the second for what was dropped.
///
/// Threading: written by the worker that owns the session, inside its `settle`.
enum SessionRecord {
  static let cellCount = 16
  static let byteCount = 8 * cellCount

  static func received(_ direction: UInt8) -> Int { 2 * Int(direction & 1) }
  static func sent(_ direction: UInt8) -> Int { 4 + 2 * Int(direction & 1) }
  static let gateClosed = 8
  static let mbrExceeded = 10
  static let droppedByFAR = 12
  static let other = 14

  /// The counter of a packet that was dropped after its session was known.
  @inline(__always)
  static func dropped(_ fate: PacketFate) -> Int {
    switch fate {
    case .gateClosed: gateClosed
    case .mbrExceeded: mbrExceeded
    case .droppedByFAR: droppedByFAR
    default: other
    }
  }
}

/// Where a URR's measurement lies among its cells: volume and packets by direction.
///
/// Threading: written by the worker that owns the session, at the commit point.
enum UsageRecord {
  static let cellCount = 4
  static let byteCount = 8 * cellCount

  static func measured(_ direction: UInt8) -> Int { 2 * Int(direction & 1) }
}
