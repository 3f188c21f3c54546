internal import CPlatform
internal import Glibc
internal import Platform

/// Wakes a thread from places that may do nothing but write to a descriptor, such as a worker's packet path.
///
/// Threading: any thread; `wait` is for one at a time.
final class SignalPipe: Sendable {
  private let ends: (reading: Int32, writing: Int32)

  init() throws(SystemError) {
    var ends: [Int32] = [-1, -1]
    // SAFETY: the array has room for both ends.
    guard unsafe hitless_shim_pipe(&ends) == 0 else { throw SystemError.last("pipe", "guard") }
    self.ends = (ends[0], ends[1])
    for end in ends where fcntl(end, F_SETFL, O_NONBLOCK) != 0 {
      throw SystemError.last("fcntl", "guard")
    }
    hitless_shim_fork_cover(self.ends.reading)
    hitless_shim_fork_cover(self.ends.writing)
  }

  deinit {
    for end in [ends.reading, ends.writing] {
      hitless_shim_fork_uncover(end)
      close(end)
    }
  }

  /// The end to write to; it never blocks.
  var writing: Int32 { ends.writing }

  /// Wakes who waits, or who will.
  func ring() {
    var byte: UInt64 = 1
    // A full pipe wakes as well.
    _ = unsafe write(ends.writing, &byte, 8)
  }

  /// How long a wait lasts at most: what a ring that was lost, for whatever reason, may cost.
  static let longestWait: Int64 = 1_000_000_000

  /// Waits until somebody rings, or for `nanoseconds`.
  ///
  /// Allocates nothing.
  func wait(nanoseconds: Int64 = longestWait) {
    var descriptor = pollfd(fd: ends.reading, events: Int16(POLLIN), revents: 0)
    // SAFETY: one record, which is ours.
    guard unsafe hitless_shim_poll(&descriptor, 1, nanoseconds) > 0 else { return }
    var bytes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    while unsafe read(ends.reading, &bytes, 32) > 0 {}
  }
}
