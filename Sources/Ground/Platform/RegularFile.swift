internal import CPlatform
internal import Glibc
package import Refusal

/// Whole files, read and replaced in one step.
package enum RegularFile {
  /// Reads the regular file at `path` once, into private memory.
  ///
  /// Refused before anything is read: a pipe, a socket, a device, a directory, a file of more than
  /// `limit` bytes. Blocks on the disk.
  package static func read(_ path: String, limit: Int) throws(Refusal) -> [UInt8] {
    do throws(SystemError) {
      // O_NONBLOCK: opening a FIFO must not wait for a writer.
      let file = try FileDescriptor.open(path, O_RDONLY | O_NONBLOCK)
      var status = stat()
      // SAFETY: `status` is ours and of the right type.
      guard unsafe fstat(file.number, &status) == 0 else { throw SystemError.last("stat", path) }
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw SystemError("read", isDirectory(status) ? EISDIR : EINVAL, path)
      }
      let size = Int(status.st_size)
      guard size <= limit else { throw SystemError("read", EFBIG, path) }
      // One byte more than the cap shows a file that grew meanwhile.
      let bytes = try file.read(upTo: limit + 1, expecting: size, from: path)
      guard bytes.count <= limit else { throw SystemError("read", EFBIG, path) }
      return bytes
    } catch {
      throw translate(error, path: path, limit: limit)
    }
  }

  /// Puts `bytes` under the name `path` in one step: readers see the old file or the new one, whole.
  ///
  /// The new content is on the device before the name is, and the name is before this returns. On
  /// failure the old file is untouched and nothing is left behind. A symbolic link is replaced, not followed.
  package static func replace(
    _ path: String, with bytes: [UInt8], mode: UInt32 = 0o644
  ) throws(Refusal) {
    try requireReplaceable(path)
    let temporary = "\(path).\(getpid()).tmp"
    do throws(SystemError) {
      do throws(SystemError) {
        let file = try FileDescriptor.open(
          temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
        guard fchmod(file.number, mode) == 0 else { throw SystemError.last("chmod", temporary) }
        try file.write(bytes, to: path)
        try file.synchronize(path)
        // SAFETY: both paths are NUL-terminated for the call.
        guard unsafe rename(temporary, path) == 0 else { throw SystemError.last("rename", path) }
      } catch {
        if !(error.call == "open" && error.code == EEXIST) { _ = unsafe unlink(temporary) }
        // People know the name they gave, not the one the content has until it is whole.
        throw SystemError(error.call, error.code, error.code == EEXIST ? temporary : path)
      }
      let directory = try FileDescriptor.open(parent(of: path), O_RDONLY | O_DIRECTORY)
      try directory.synchronize(parent(of: path))
    } catch {
      throw error.refusal
    }
  }

  /// Refuses what `replace` would refuse of `path` whatever the bytes, and a `path` that leads to one of `inputs`, by
  /// whatever name: what takes long is not done for nothing, and no input is lost.
  package static func requireOutput(_ path: String, besides inputs: [String]) throws(Refusal) {
    try requireReplaceable(path)
    // SAFETY: the path is NUL-terminated for the call.
    guard unsafe access(parent(of: path), W_OK) == 0 else {
      throw SystemError.last("open", path).refusal
    }
    guard let own = identity(path) else { return }
    for input in inputs where identity(input).map({ $0 == own }) ?? false {
      throw Refusal(
        .path, "'\(path)' is one of the inputs", hint: "give the output another name")
    }
  }

  /// Writes a new file; one that exists, of whatever kind, is left as it is and refused.
  ///
  /// On failure nothing is left behind.
  package static func create(
    _ path: String, with bytes: [UInt8], mode: UInt32 = 0o644
  ) throws(Refusal) {
    do throws(SystemError) {
      let file = try FileDescriptor.open(
        path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
      do throws(SystemError) {
        guard fchmod(file.number, mode) == 0 else { throw SystemError.last("chmod", path) }
        try file.write(bytes, to: path)
        try file.synchronize(path)
      } catch {
        _ = unsafe unlink(path)
        throw error
      }
    } catch {
      guard error.call == "open", error.code == EEXIST else { throw error.refusal }
      throw Refusal(
        .state, "'\(path)' exists and is not overwritten", hint: "choose another name")
    }
  }

  /// Removes a file.
  package static func remove(_ path: String) throws(Refusal) {
    guard unsafe unlink(path) == 0 else { throw SystemError.last("unlink", path).refusal }
  }

  /// The directory part of `path`.
  package static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// A device or a pipe that was named by mistake (`/dev/null`) must survive it, and so must a link to one, or among the
  /// devices (`/dev/stdout`).
  private static func requireReplaceable(_ path: String) throws(Refusal) {
    var status = stat()
    // SAFETY: `status` is ours and of the right type; the path is NUL-terminated for the calls.
    guard unsafe lstat(path, &status) == 0 else { return }
    let refusal = Refusal(
      .path, "'\(path)' is not a regular file and is not replaced",
      hint: "name a file; what is written appears there at once, whole")
    if status.st_mode & S_IFMT == S_IFLNK {
      let isAmongDevices = parent(of: path) == "/dev" || path.hasPrefix("/proc/")
      guard !isAmongDevices else { throw refusal }
      guard unsafe stat(path, &status) == 0 else { return }
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw refusal }
  }

  /// Which file `path` leads to: device and number; nil if it leads to none.
  private static func identity(_ path: String) -> [UInt64]? {
    var status = stat()
    // SAFETY: `status` is ours and of the right type; the path is NUL-terminated for the call.
    guard unsafe stat(path, &status) == 0 else { return nil }
    return [UInt64(status.st_dev), UInt64(status.st_ino)]
  }

  private static func translate(_ error: SystemError, path: String, limit: Int) -> Refusal {
    switch (error.call, error.code) {
    case ("read", EFBIG):
      Refusal(.limit, "'\(path)' is larger than the \(limit) bytes that are allowed here")
    case ("read", EINVAL), ("read", EISDIR):
      Refusal(.format, "'\(path)' is not a regular file")
    default: error.refusal
    }
  }
}

private func isDirectory(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }
