internal import CPlatform
internal import Glibc
internal import Synchronization
package import Refusal

/// Who is at the other end of a Unix socket, as the kernel vouches for it.
package struct PeerCredentials: Equatable, Sendable {
  /// Process that connected; it may have handed the connection on since.
  package let process: Int32
  /// Its effective user when it connected.
  package let user: UInt32
  /// Its effective group when it connected.
  package let group: UInt32

  /// Creates credentials, as a test may want to.
  package init(process: Int32, user: UInt32, group: UInt32) {
    self.process = process
    self.user = user
    self.group = group
  }

  /// Whether the peer runs as this process's user, or as root.
  package var isOwnerOrRoot: Bool { user == 0 || user == geteuid() }
}

/// A Unix socket that accepts connections; its file is removed when it stops, or when the value ends.
///
/// Threading: `accept` belongs to one thread; `stop` may be called from any.
package final class UnixListener: Sendable {
  /// Where the socket is.
  package let path: String
  private let descriptor: FileDescriptor
  /// Tells `accept` to end.
  ///
  /// Ordering: release in `stop`, acquire in `accept`; nothing but the flag itself is handed over. Without
  /// it a non-blocking `accept` on a shut-down socket answers EAGAIN for ever.
  private let stopping = Atomic<Bool>(false)
  /// Whether the file was removed: what has the name afterwards is somebody else's.
  ///
  /// Ordering: relaxed. The exchange alone decides who removes it; nothing is handed over.
  private let removed = Atomic<Bool>(false)

  /// Listens at `path`, readable and writable by this user only.
  ///
  /// A socket that a dead process left there is replaced; a live one is `busy`, and anything that is
  /// not a socket is left alone.
  package init(path: String) throws(Refusal) {
    do throws(SystemError) {
      let number = hitless_shim_unix_socket()
      guard number >= 0 else { throw SystemError.last("socket", path) }
      descriptor = FileDescriptor(owning: number)
      try Self.bind(number, path)
      guard Glibc.listen(number, 16) == 0 else { throw SystemError.last("listen", path) }
      self.path = path
      descriptor.hideFromChildren()
    } catch {
      throw Self.translate(error)
    }
  }

  deinit { removeFile() }

  /// Waits for the next connection; nil when `stop` was called.
  package func accept() throws(SystemError) -> UnixConnection? {
    while true {
      guard try descriptor.waitReadable(.after(.max)) else { continue }
      if stopping.load(ordering: .acquiring) { return nil }
      let number = hitless_shim_unix_accept(descriptor.number)
      if number >= 0 { return try UnixConnection(FileDescriptor(owning: number)) }
      switch errno {
      case EINTR, EAGAIN, ECONNABORTED: continue
      // A listening socket that was shut down.
      case EINVAL: return nil
      default: throw SystemError.last("accept", path)
      }
    }
  }

  /// Makes the pending and every later `accept` return nil, and removes the file.
  ///
  /// The file goes first: as long as it is there, connecting works, so that nobody takes it for stale.
  /// Waiting for the value's end would leave it behind in a process that ends before its threads do.
  package func stop() {
    removeFile()
    stopping.store(true, ordering: .releasing)
    _ = shutdown(descriptor.number, Int32(SHUT_RDWR))
  }

  private func removeFile() {
    guard !removed.exchange(true, ordering: .relaxed) else { return }
    // SAFETY: the path is NUL-terminated for the call.
    _ = unsafe unlink(path)
  }

  private static func bind(_ number: Int32, _ path: String) throws(SystemError) {
    // SAFETY: the path is NUL-terminated for the calls.
    if unsafe hitless_shim_unix_bind(number, path) == 0 { return }
    guard errno == EADDRINUSE else { throw SystemError.last("bind", path) }
    try removeStale(path)
    guard unsafe hitless_shim_unix_bind(number, path) == 0 else {
      throw SystemError.last("bind", path)
    }
  }

  private static func removeStale(_ path: String) throws(SystemError) {
    var status = stat()
    // SAFETY: `status` is ours; the path is NUL-terminated for the call.
    guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
      throw SystemError("bind", EEXIST, path)
    }
    let probe = FileDescriptor(owning: hitless_shim_unix_socket())
    guard unsafe hitless_shim_unix_connect(probe.number, path) != 0, errno == ECONNREFUSED else {
      throw SystemError("bind", EADDRINUSE, path)
    }
    guard unsafe unlink(path) == 0 else { throw SystemError.last("remove", path) }
  }

  private static func translate(_ error: SystemError) -> Refusal {
    switch error.code {
    case EADDRINUSE:
      Refusal(
        .busy, "another agent listens at '\(error.subject)'",
        hint: "give every agent a control socket of its own")
    case EEXIST: Refusal(.path, "'\(error.subject)' exists and is not a socket")
    case ENAMETOOLONG:
      Refusal(.path, "'\(error.subject)' is too long for a socket, at most 107 bytes are allowed")
    default: error.refusal
    }
  }
}

/// One connection over a Unix socket.
///
/// Threading: one thread reads and writes; `stop` may be called from any.
package final class UnixConnection: Sendable {
  /// The other end.
  package let peer: PeerCredentials
  private let descriptor: FileDescriptor

  fileprivate init(_ descriptor: consuming FileDescriptor) throws(SystemError) {
    var (process, user, group) = (pid_t(0), uid_t(0), gid_t(0))
    // SAFETY: the three results are ours and of the right types.
    guard unsafe hitless_shim_unix_peer(descriptor.number, &process, &user, &group) == 0 else {
      throw SystemError.last("getsockopt", "a connection")
    }
    peer = PeerCredentials(process: process, user: user, group: group)
    descriptor.hideFromChildren()
    self.descriptor = descriptor
  }

  /// Connects to the socket at `path`.
  package static func connect(to path: String) throws(SystemError) -> UnixConnection {
    let number = hitless_shim_unix_socket()
    guard number >= 0 else { throw SystemError.last("socket", path) }
    let descriptor = FileDescriptor(owning: number)
    // SAFETY: the path is NUL-terminated for the call. A local connect does not wait.
    guard unsafe hitless_shim_unix_connect(number, path) == 0 else {
      throw SystemError.last("connect", path)
    }
    return try UnixConnection(descriptor)
  }

  /// Reads exactly `count` bytes; nil when the peer closed before the first of them.
  ///
  /// Memory grows with what arrives, not with what was announced.
  package func read(_ count: Int, _ deadline: Deadline) throws(SystemError) -> [UInt8]? {
    var bytes: [UInt8] = []
    while bytes.count < count {
      guard try descriptor.waitReadable(deadline) else {
        throw SystemError("read", ETIMEDOUT, "the connection")
      }
      let chunk: [UInt8]
      do throws(SystemError) {
        chunk = try descriptor.readAvailable(
          min(count - bytes.count, 1 << 16), from: "a connection")
      } catch  where error.code == EAGAIN {
        continue
      }
      if chunk.isEmpty {
        if bytes.isEmpty { return nil }
        throw SystemError("read", EPIPE, "the connection")
      }
      bytes += chunk
    }
    return bytes
  }

  /// Writes all of `bytes`.
  package func write(_ bytes: [UInt8], _ deadline: Deadline) throws(SystemError) {
    var offset = 0
    while offset < bytes.count {
      guard try descriptor.waitWritable(deadline) else {
        throw SystemError("write", ETIMEDOUT, "the connection")
      }
      // MSG_NOSIGNAL: a peer that has gone must not raise SIGPIPE in the host.
      // SAFETY: the pointer is used only inside the closure, for the bytes that are left.
      let sent = unsafe bytes.withUnsafeBytes { buffer in
        unsafe send(
          descriptor.number, buffer.baseAddress?.advanced(by: offset), bytes.count - offset,
          Int32(MSG_NOSIGNAL))
      }
      if sent > 0 {
        offset += sent
      } else if sent < 0 && errno != EINTR && errno != EAGAIN {
        throw SystemError.last("write", "the connection")
      }
    }
  }

  /// Waits until there is something to read, or the peer has gone; false at the deadline.
  package func waitReadable(_ deadline: Deadline) throws(SystemError) -> Bool {
    try descriptor.waitReadable(deadline)
  }

  /// Ends the connection; a thread that waits in it comes back.
  package func stop() {
    _ = shutdown(descriptor.number, Int32(SHUT_RDWR))
  }
}
