internal import Glibc
package import Platform

/// Where local packet ports are connected: a listening socket that goes away with its name.
@safe package struct PacketPortListener: ~Copyable, Sendable {
  /// The path.
  package let path: String
  /// The listening socket; readable when a connection waits.
  package let descriptor: FileDescriptor

  /// Listens at `path`, which must not exist yet; only this user can connect.
  package init(path: String) throws(SystemError) {
    let descriptor = try LocalAddress.socket(path)
    let address = try LocalAddress(path)
    // The mode of the socket at bind time is what counts for the file; fchmod before bind sets it.
    guard fchmod(descriptor.number, 0o600) == 0 else { throw SystemError.last("chmod", path) }
    let status = unsafe address.withPointer { address, size in
      unsafe bind(descriptor.number, address, size)
    }
    guard status == 0 else { throw SystemError.last("bind", path) }
    guard listen(descriptor.number, 16) == 0 else {
      let error = SystemError.last("listen", path)
      _ = unsafe unlink(path)
      throw error
    }
    self.path = path
    self.descriptor = descriptor
  }

  deinit { _ = unsafe unlink(path) }

  /// Returns the next connection, nil when none waits.
  package borrowing func accept() throws(SystemError) -> PacketPort? {
    // SAFETY: no address is asked for.
    let number = Glibc.accept(descriptor.number, nil, nil)
    guard number >= 0 else {
      if [EAGAIN, EINTR, ECONNABORTED].contains(errno) { return nil }
      throw SystemError.last("accept", path)
    }
    let accepted = FileDescriptor(owning: number)
    guard fcntl(number, F_SETFL, O_NONBLOCK) == 0, fcntl(number, F_SETFD, FD_CLOEXEC) == 0 else {
      throw SystemError.last("fcntl", path)
    }
    return try PacketPort(accepted: accepted, path: path)
  }
}

/// A local socket's address.
internal struct LocalAddress {
  private var address = sockaddr_un()

  init(_ path: String) throws(SystemError) {
    let bytes = Array(path.utf8)
    // The path and its NUL must fit.
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw SystemError("bind", ENAMETOOLONG, path)
    }
    guard !bytes.isEmpty, !bytes.contains(0) else { throw SystemError("bind", EINVAL, path) }
    address.sun_family = sa_family_t(AF_UNIX)
    // SAFETY: the path is shorter than its room, as checked; the rest stays zero.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
  }

  /// Opens a non-blocking socket for the address of `path`.
  static func socket(_ path: String) throws(SystemError) -> FileDescriptor {
    let number = Glibc.socket(
      AF_UNIX,
      Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard number >= 0 else { throw SystemError.last("socket", path) }
    return FileDescriptor(owning: number)
  }

  /// Hands the address to a socket call.
  func withPointer(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    // SAFETY: a sockaddr_un is passed with its size, for the call only.
    unsafe withUnsafePointer(to: address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        unsafe body(generic, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
