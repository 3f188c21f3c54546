internal import CPlatform
internal import Glibc

/// A file that exists only in memory and that nobody can change any more.
///
/// What was hashed is what gets mapped: the seals against writing, growing, shrinking and further
/// sealing hold for everybody, this process and root included. The pages live as long as the
/// descriptor or a mapping does.
package struct SealedMemoryFile: ~Copyable, Sendable {
  /// What the file says about execution.
  ///
  /// Since Linux 6.3 a memory file that says nothing gets what `vm.memfd_noexec` demands; a hardened
  /// system (2) refuses `MFD_EXEC`. Mapping code from the file works in each case; only `execve` of it
  /// is what the flag forbids.
  package enum Execution: CaseIterable, Sendable {
    /// The kernel's default; the only choice before Linux 6.3.
    case kernelDefault
    /// `MFD_EXEC`.
    case executable
    /// `MFD_NOEXEC_SEAL`.
    case notExecutable
  }

  /// The open file; keep it open as long as the file is mapped, so that debuggers find it and its
  /// number is not given to another file.
  package let descriptor: FileDescriptor
  /// Size in bytes.
  package let count: Int

  /// Makes a sealed file of `bytes`; `name` shows up in `/proc/<pid>/maps`.
  ///
  /// Prefers what needs no execution right and falls back to what older kernels know.
  package static func seal(
    _ bytes: [UInt8], name: String
  ) throws(SystemError) -> SealedMemoryFile {
    do throws(SystemError) {
      return try seal(bytes, name: name, execution: .notExecutable)
    } catch  where error.call == "memfd_create" && error.code == EINVAL {
      return try seal(bytes, name: name, execution: .kernelDefault)
    }
  }

  /// Makes a sealed file of `bytes` that says `execution`.
  package static func seal(
    _ bytes: [UInt8], name: String, execution: Execution
  ) throws(SystemError) -> SealedMemoryFile {
    // SAFETY: the name is NUL-terminated for the call.
    let number = unsafe hitless_shim_memory_file(name, execution.code)
    guard number >= 0 else { throw SystemError.last("memfd_create", name) }
    let descriptor = FileDescriptor(owning: number)
    descriptor.hideFromChildren()
    try descriptor.write(bytes, to: name)
    guard hitless_shim_memory_seal(number) == 0 else { throw SystemError.last("seal", name) }
    guard hitless_shim_memory_is_sealed(number) == 1 else {
      throw SystemError("seal", EPERM, name)
    }
    return SealedMemoryFile(descriptor: descriptor, count: bytes.count)
  }

  private init(descriptor: consuming FileDescriptor, count: Int) {
    self.descriptor = descriptor
    self.count = count
  }

  /// Reads the sealed bytes back.
  ///
  /// Threading: any thread; the file position is not used.
  package borrowing func contents() throws(SystemError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var offset = 0
    while offset < count {
      // SAFETY: the buffer holds `count` bytes, `count - offset` of them from `offset` on.
      let read = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe pread(
          descriptor.number, buffer.baseAddress?.advanced(by: offset), count - offset,
          off_t(offset))
      }
      if read > 0 {
        offset += read
      } else if read == 0 || errno != EINTR {
        throw SystemError("read", read == 0 ? EIO : errno, "sealed memory file")
      }
    }
    return bytes
  }
}

extension SealedMemoryFile.Execution {
  fileprivate var code: Int32 {
    switch self {
    case .kernelDefault: Int32(HITLESS_SHIM_MEMORY_DEFAULT)
    case .executable: Int32(HITLESS_SHIM_MEMORY_EXEC)
    case .notExecutable: Int32(HITLESS_SHIM_MEMORY_NOEXEC)
    }
  }
}
