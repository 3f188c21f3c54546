internal import CPlatform
internal import Glibc
package import Platform

/// Waits until one of a few descriptors can be read or written.
///
/// It registers nothing with the kernel and owns no descriptor: for the handful that a worker has, one
/// `ppoll` is as fast as an event queue. A worker calls `wait` between `hitless_idle` and
/// `hitless_resume`, and only when its last round found nothing to do.
package struct Poller: ~Copyable {
  /// What to wait for.
  package enum Interest: Sendable {
    /// There is something to read, or the peer has gone.
    case readable
    /// There is room to write.
    case writable
  }

  private var entries: [pollfd] = []

  /// Creates a poller that waits for nothing.
  package init() {}

  /// Adds a descriptor, which must stay open as long as it is waited for; returns its index.
  package mutating func add(_ descriptor: borrowing FileDescriptor, _ interest: Interest) -> Int {
    let events =
      switch interest {
      case .readable: POLLIN
      case .writable: POLLOUT
      }
    entries.append(pollfd(fd: descriptor.number, events: Int16(events), revents: 0))
    return entries.count - 1
  }

  /// Says whether entry `index` is waited for from here on.
  package mutating func enable(_ index: Int, _ isEnabled: Bool) {
    // A negative number makes the kernel pass over the entry; its complement is the number again.
    if (entries[index].fd >= 0) != isEnabled { entries[index].fd = ~entries[index].fd }
  }

  /// Blocks until an entry is ready or the time is up, and returns how many are ready.
  ///
  /// `nil` waits for ever. A signal that interrupts the wait ends it with 0. Allocates nothing.
  package mutating func wait(nanoseconds: Int64?) throws(SystemError) -> Int {
    // SAFETY: the array holds `count` entries; the kernel writes only their `revents`.
    let ready = unsafe entries.withUnsafeMutableBufferPointer { buffer in
      guard let first = buffer.baseAddress else { return Int32(0) }
      return unsafe hitless_shim_poll(
        first, UInt32(buffer.count), nanoseconds.map { max(0, $0) } ?? -1)
    }
    if ready >= 0 { return Int(ready) }
    for index in entries.indices { entries[index].revents = 0 }
    guard errno == EINTR else { throw SystemError.last("ppoll", "descriptors") }
    return 0
  }

  /// Whether the last `wait` found entry `index` ready, closed by its peer, or broken.
  package func isReady(_ index: Int) -> Bool { entries[index].revents != 0 }
}
