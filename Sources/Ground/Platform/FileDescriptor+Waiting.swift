internal import CPlatform
internal import Glibc

extension FileDescriptor {
  /// Waits until a read would not block; false when the deadline came first.
  package borrowing func waitReadable(_ deadline: Deadline) throws(SystemError) -> Bool {
    try wait(Int16(POLLIN), deadline)
  }

  /// Waits until a write would not block; false when the deadline came first.
  package borrowing func waitWritable(_ deadline: Deadline) throws(SystemError) -> Bool {
    try wait(Int16(POLLOUT), deadline)
  }

  /// Waits until a read would not block; false when `other` became readable without this one, or the
  /// deadline came first.
  package borrowing func waitReadable(
    _ deadline: Deadline, or other: borrowing FileDescriptor
  ) throws(SystemError) -> Bool {
    var entries = [
      pollfd(fd: number, events: Int16(POLLIN), revents: 0),
      pollfd(fd: other.number, events: Int16(POLLIN), revents: 0),
    ]
    return try poll(&entries, deadline) && entries[0].revents != 0
  }

  /// Reads what is there, at most `limit` bytes; empty at the end of the input.
  ///
  /// Call it when a wait said that there is something; it may block otherwise.
  package borrowing func readAvailable(
    _ limit: Int, from subject: String
  ) throws(SystemError) -> [UInt8] {
    var chunk = [UInt8](repeating: 0, count: limit)
    while true {
      // SAFETY: `chunk` has `limit` bytes; the pointer stays inside the closure.
      let count = unsafe chunk.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(number, buffer.baseAddress, limit)
      }
      if count >= 0 { return Array(chunk.prefix(count)) }
      guard errno == EINTR else { throw SystemError.last("read", subject) }
    }
  }

  /// A second descriptor of the same file, numbered `least` or higher.
  package borrowing func duplicate(least: Int32) throws(SystemError) -> FileDescriptor {
    let copy = hitless_shim_duplicate(number, least)
    guard copy >= 0 else { throw SystemError.last("duplicate", "descriptor \(number)") }
    return FileDescriptor(owning: copy)
  }

  private borrowing func wait(
    _ events: Int16, _ deadline: Deadline
  ) throws(SystemError) -> Bool {
    var entries = [pollfd(fd: number, events: events, revents: 0)]
    return try poll(&entries, deadline)
  }
}

/// Waits for any of `entries`; false when the deadline came first.
private func poll(_ entries: inout [pollfd], _ deadline: Deadline) throws(SystemError) -> Bool {
  while true {
    // SAFETY: the array is passed with its own count.
    let ready = unsafe Glibc.poll(&entries, nfds_t(entries.count), deadline.pollTimeout)
    if ready > 0 { return true }
    if ready == 0 && deadline.hasPassed { return false }
    if ready < 0 && errno != EINTR { throw SystemError.last("poll", "a descriptor") }
  }
}
