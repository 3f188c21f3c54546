internal import CHitless
internal import CPathBench
internal import Refusal

/// The tables, packets and counters of one path.
///
/// Threading: one thread at a time; the harness hands it from one to the next by joining.
@safe
final class PathState: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<path_state>

  /// Makes a path with that many sessions.
  init(sessions: UInt32) throws(Refusal) {
    guard let pointer = unsafe path_state_create(sessions) else {
      throw Refusal(.noSpace, "no memory for \(sessions) sessions")
    }
    unsafe self.pointer = pointer
  }

  deinit { unsafe path_state_destroy(pointer) }

  /// Puts back everything that a run changes.
  func reset() { unsafe path_state_reset(pointer) }

  /// A digest of everything that a run has put out.
  var digest: UInt64 { unsafe path_state_digest(pointer) }

  /// Packets that were received and are in no book: neither counted for a session nor dropped.
  var lost: Int64 {
    let usage = unsafe path_state_usage(pointer)
    let drops = unsafe pointer.pointee.dropped
    let dropped = drops.0 + drops.1 + drops.2 + drops.3 + drops.4
    return Int64(unsafe pointer.pointee.received) - Int64(usage.packets + dropped)
  }

  /// Packets that were received.
  var received: UInt64 { unsafe pointer.pointee.received }
  /// Packets that went on, by the build that handled them.
  var forwarded: [UInt64] {
    let forwarded = unsafe pointer.pointee.forwarded
    return [forwarded.0, forwarded.1]
  }
  /// Batches whose stages were not all of one build.
  var mixed: UInt64 { unsafe pointer.pointee.mixed }
}
