internal import Glibc
internal import PacketIO
internal import Platform
package import Refusal
internal import Synchronization

/// Wakes one worker from its wait when a ring of its has something, or when it is to look around.
///
/// Threading: any thread may `ring`; the worker calls the rest.
/// Ordering: both sides exchange the same flag with acquire-release. If the ringer's exchange comes
/// second it finds the worker asleep and wakes it; if it comes first, the worker's exchange sees it,
/// and with it everything the ringer had stored before, when it looks at its rings once more.
@safe
package final class Doorbell: Sendable {
  private let isAsleep = Atomic<Bool>(false)
  private let reading: FileDescriptor
  private let writing: FileDescriptor

  package init() throws(Refusal) {
    var ends: (Int32, Int32) = (-1, -1)
    // SAFETY: a pair of Int32 is the array of two that `pipe` fills.
    let status = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
      unsafe pipe(bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
    }
    guard status == 0 else { throw SystemError.last("pipe", "doorbell").refusal }
    reading = FileDescriptor(owning: ends.0)
    writing = FileDescriptor(owning: ends.1)
    for end in [ends.0, ends.1] {
      guard fcntl(end, F_SETFL, O_NONBLOCK) == 0, fcntl(end, F_SETFD, FD_CLOEXEC) == 0 else {
        throw SystemError.last("fcntl", "doorbell").refusal
      }
    }
  }

  /// Wakes the worker if it sleeps; call it after the store that it shall see.
  package func ring() {
    guard isAsleep.exchange(false, ordering: .acquiringAndReleasing) else { return }
    var byte: UInt8 = 0
    // A full pipe has bytes enough to wake it.
    _ = unsafe write(writing.number, &byte, 1)
  }

  /// Adds the bell to what the worker waits for.
  func add(to poller: inout Poller) { _ = poller.add(reading, .readable) }

  /// Says that the worker is about to wait; it must look at its rings once more before it does.
  func fallAsleep() { _ = isAsleep.exchange(true, ordering: .acquiringAndReleasing) }

  /// Says that the worker is up again.
  func wakeUp() {
    guard !isAsleep.exchange(false, ordering: .acquiringAndReleasing) else { return }
    var bytes: (UInt64, UInt64) = (0, 0)
    _ = unsafe withUnsafeMutableBytes(of: &bytes) { buffer in
      unsafe read(reading.number, buffer.baseAddress, buffer.count)
    }
  }
}
