internal import Glibc
package import Refusal

extension Directory {
  /// Ends the name of a file that is being written; a leftover of a crash, if found later.
  package static let temporarySuffix = ".tmp"

  /// Reads the regular file `name` whole, into private memory; nil when there is none.
  package borrowing func read(_ name: String, limit: Int) throws(Refusal) -> [UInt8]? {
    let subject = "\(path)/\(name)"
    do throws(SystemError) {
      let file = try open(name, O_RDONLY | O_NONBLOCK)
      var status = stat()
      // SAFETY: `status` is ours and of the right type.
      guard unsafe fstat(file.number, &status) == 0 else { throw SystemError.last("stat", subject) }
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw SystemError("read", EINVAL, subject)
      }
      let bytes = try file.read(upTo: limit + 1, from: subject)
      guard bytes.count <= limit else { throw SystemError("read", EFBIG, subject) }
      return bytes
    } catch {
      if error.call == "open" && error.code == ENOENT { return nil }
      switch (error.call, error.code) {
      case ("read", EFBIG):
        throw Refusal(.limit, "'\(subject)' is larger than the \(limit) bytes allowed")
      case ("read", EINVAL): throw Refusal(.format, "'\(subject)' is not a regular file")
      default: throw error.refusal
      }
    }
  }

  /// Puts `bytes` under `name` in one step, in place of what was there.
  ///
  /// Content is on the device before the name, and the name before this returns. On failure the old
  /// file is untouched and nothing is left behind. Only one writer per directory: see `lock()`.
  package borrowing func replace(
    _ name: String, with bytes: [UInt8], mode: UInt32 = 0o600
  ) throws(Refusal) {
    let temporary = name + Self.temporarySuffix
    do throws(SystemError) {
      try remove(temporary)
      do throws(SystemError) {
        let file = try open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
        try file.write(bytes, to: "\(path)/\(name)")
        try file.synchronize("\(path)/\(name)")
        try rename(temporary, to: name)
      } catch {
        _ = try? remove(temporary)
        throw error
      }
      try synchronize()
    } catch {
      throw error.refusal
    }
  }

  /// Size of the file `name` in bytes, and whether it is a regular file; nil when there is none.
  package borrowing func size(of name: String) throws(SystemError) -> Int? {
    do throws(SystemError) {
      let file = try open(name, O_RDONLY | O_NONBLOCK)
      var status = stat()
      // SAFETY: `status` is ours and of the right type.
      guard unsafe fstat(file.number, &status) == 0 else { throw SystemError.last("stat", name) }
      return Int(status.st_size)
    } catch {
      if error.call == "open" && error.code == ENOENT { return nil }
      throw error
    }
  }
}
