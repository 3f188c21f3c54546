internal import CPlatform
internal import Glibc
package import Refusal

/// An open directory, and files beneath it.
///
/// Every name is walked by the kernel from this directory, without leaving it and without following
/// a link of any kind: a link that somebody plants in the tree is an error, never a way out.
package struct Directory: ~Copyable, Sendable {
  /// The path it was opened by, for messages.
  package let path: String
  private let descriptor: FileDescriptor

  /// Opens the directory at `path`; the path itself is the caller's choice and may contain links,
  /// its last part may not be one.
  package static func open(_ path: String) throws(SystemError) -> Directory {
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
    return Directory(path: path, descriptor: try FileDescriptor.open(path, flags))
  }

  /// Makes the directory at `path` for this user alone, unless it is there, and opens it.
  package static func make(_ path: String) throws(SystemError) -> Directory {
    // SAFETY: the path is NUL-terminated for the call.
    guard uninterrupted({ unsafe mkdir(path, 0o700) }) == 0 || errno == EEXIST else {
      throw SystemError.last("mkdir", path)
    }
    return try open(path)
  }

  private init(path: String, descriptor: consuming FileDescriptor) {
    self.path = path
    self.descriptor = descriptor
    // A child that lives longer than this process would keep the lock of `lock()`.
    self.descriptor.hideFromChildren()
  }

  /// Throws unless the directory belongs to this user and nobody else may write to it.
  package borrowing func requirePrivate() throws(Refusal) {
    var status = stat()
    // SAFETY: `status` is ours and of the right type.
    guard unsafe fstat(descriptor.number, &status) == 0 else {
      throw SystemError.last("stat", path).refusal
    }
    guard status.st_uid == geteuid() else {
      throw Refusal(
        .path, "'\(path)' belongs to another user", expected: "user \(geteuid())",
        found: "user \(status.st_uid)", hint: "chown it to the user the host runs as")
    }
    guard status.st_mode & 0o022 == 0 else {
      throw Refusal(
        .path, "'\(path)' can be written by others", expected: "mode 0700",
        found: "mode 0\(String(status.st_mode & 0o7777, radix: 8))",
        hint: "chmod 0700 '\(path)'")
    }
  }

  /// Keeps every other process that asks from using the directory, until this value ends.
  package borrowing func lock() throws(Refusal) {
    while flock(descriptor.number, LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      guard errno == EWOULDBLOCK else { throw SystemError.last("lock", path).refusal }
      throw Refusal(
        .busy, "'\(path)' is in use by another agent",
        hint: "every agent needs a state directory of its own")
    }
  }

  /// Ends `lock()`.
  ///
  /// Closing the descriptor is not enough: a process that another thread is just starting holds a copy
  /// of it until its `exec`.
  package borrowing func unlock() {
    _ = flock(descriptor.number, LOCK_UN)
  }

  /// Opens the file `name` beneath the directory.
  package borrowing func open(
    _ name: String, _ flags: Int32, mode: UInt32 = 0
  ) throws(SystemError) -> FileDescriptor {
    // SAFETY: the name is NUL-terminated for the call.
    let number = unsafe hitless_shim_open_beneath(descriptor.number, name, flags, mode)
    guard number >= 0 else { throw SystemError.last("open", "\(path)/\(name)") }
    return FileDescriptor(owning: number)
  }

  /// Makes the directory `name` for this user alone, unless it is there, and opens it.
  package borrowing func directory(_ name: String) throws(SystemError) -> Directory {
    // SAFETY: the name is NUL-terminated for the call.
    let made = uninterrupted { unsafe mkdirat(descriptor.number, name, 0o700) }
    guard made == 0 || errno == EEXIST else {
      throw SystemError.last("mkdir", "\(path)/\(name)")
    }
    let inner = try open(name, O_RDONLY | O_DIRECTORY)
    return Directory(path: "\(path)/\(name)", descriptor: inner)
  }

  /// Removes the file `name`; false when there is none.
  @discardableResult
  package borrowing func remove(_ name: String) throws(SystemError) -> Bool {
    // SAFETY: the name is NUL-terminated for the call.
    if uninterrupted({ unsafe unlinkat(descriptor.number, name, 0) }) == 0 { return true }
    guard errno == ENOENT else { throw SystemError.last("remove", "\(path)/\(name)") }
    return false
  }

  /// Gives the file `old` the name `new`, in one step, in place of what had it.
  package borrowing func rename(_ old: String, to new: String) throws(SystemError) {
    // SAFETY: both names are NUL-terminated for the call.
    let number = descriptor.number
    guard uninterrupted({ unsafe renameat(number, old, number, new) }) == 0 else {
      throw SystemError.last("rename", "\(path)/\(new)")
    }
  }

  /// Flushes names to the device.
  package borrowing func synchronize() throws(SystemError) {
    try descriptor.synchronize(path)
  }

  /// The names in the directory, sorted, without `.` and `..`.
  package borrowing func names() throws(SystemError) -> [String] {
    // fdopendir takes its descriptor over.
    let copy = try open(".", O_RDONLY | O_DIRECTORY).release()
    guard let stream = unsafe fdopendir(copy) else {
      let error = SystemError.last("list", path)
      close(copy)
      throw error
    }
    // SAFETY: the stream is open until the defer at the end of this scope.
    defer { _ = unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      // SAFETY: d_name is NUL-terminated and valid until the next readdir of this stream.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
          unsafe String(cString: $0)
        }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}
