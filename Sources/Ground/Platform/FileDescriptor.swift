internal import CPlatform
internal import Glibc

/// An open file, closed when the value ends.
package struct FileDescriptor: ~Copyable, Sendable {
  /// The number; valid as long as this value lives.
  package let number: Int32

  /// Takes over an open descriptor.
  package init(owning number: Int32) {
    self.number = number
  }

  deinit {
    hitless_shim_fork_uncover(number)
    close(number)
  }

  /// Keeps the file from children that the process makes by `fork`; see `Fork`.
  package borrowing func hideFromChildren() { hitless_shim_fork_cover(number) }

  /// Opens `path`; the descriptor does not survive an `exec`.
  package static func open(
    _ path: String, _ flags: Int32, mode: UInt32 = 0
  ) throws(SystemError) -> FileDescriptor {
    while true {
      // SAFETY: the path is NUL-terminated for the call.
      let number = unsafe hitless_shim_open(path, flags | O_CLOEXEC, mode)
      if number >= 0 { return FileDescriptor(owning: number) }
      guard errno == EINTR else { throw SystemError.last("open", path) }
    }
  }

  /// Gives the descriptor away; the caller must close it.
  package consuming func release() -> Int32 {
    let number = number
    discard self
    return number
  }

  /// Writes all of `bytes` at the current position.
  package borrowing func write(_ bytes: [UInt8], to subject: String) throws(SystemError) {
    var offset = 0
    while offset < bytes.count {
      // SAFETY: the pointer is used only inside the closure, for the bytes that are left.
      let written = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(number, buffer.baseAddress?.advanced(by: offset), bytes.count - offset)
      }
      if written > 0 {
        offset += written
      } else if written < 0 && errno != EINTR {
        throw SystemError.last("write", subject)
      }
    }
  }

  /// Reads from the current position to the end, but at most `limit` bytes.
  ///
  /// Takes no more memory than what is read where that is as much as `expected`.
  package borrowing func read(
    upTo limit: Int, expecting expected: Int = 0, from subject: String
  ) throws(SystemError) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(min(limit, expected))
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count < limit {
      let wanted = min(chunk.count, limit - bytes.count)
      // SAFETY: `chunk` has at least `wanted` bytes; the pointer stays inside the closure.
      let count = unsafe chunk.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(number, buffer.baseAddress, wanted)
      }
      if count == 0 { break }
      if count > 0 {
        bytes += chunk[0..<count]
      } else if errno != EINTR {
        throw SystemError.last("read", subject)
      }
    }
    return bytes
  }

  /// Flushes data and metadata to the device.
  package borrowing func synchronize(_ subject: String) throws(SystemError) {
    guard uninterrupted({ fsync(number) }) == 0 else { throw SystemError.last("fsync", subject) }
  }

  /// Cuts the file off after its first `size` bytes.
  package borrowing func truncate(to size: Int, _ subject: String) throws(SystemError) {
    guard uninterrupted({ ftruncate(number, off_t(size)) }) == 0 else {
      throw SystemError.last("truncate", subject)
    }
  }
}

/// Makes a system call again as long as signals interrupt it.
func uninterrupted(_ call: () -> Int32) -> Int32 {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}
