internal import Glibc
internal import Platform
package import Refusal

/// Whether this system lets a process map code from a sealed memory file.
package enum MemoryFileCheck {
  /// What the kernel gives a memory file that says nothing about execution; absent before Linux 6.3.
  private static let setting = "/proc/sys/vm/memfd_noexec"

  /// Seals a page, maps it executable, unmaps it; returns what was found.
  package static func run() throws(Refusal) -> String {
    do throws(SystemError) {
      let page = Int(sysconf(Int32(_SC_PAGESIZE)))
      let file = try SealedMemoryFile.seal(
        [UInt8](repeating: 0, count: page), name: "hitless:doctor")
      let flags = (protection: PROT_READ | PROT_EXEC, sharing: MAP_PRIVATE)
      // SAFETY: a new mapping of our own file; it is unmapped at once and nothing is read from it.
      let mapped = unsafe mmap(
        nil, page, flags.protection, flags.sharing, file.descriptor.number, 0)
      guard unsafe mapped != MAP_FAILED, let mapped = unsafe mapped else {
        throw SystemError.last("map code from", "a sealed memory file")
      }
      unsafe munmap(mapped, page)
    } catch {
      var refusal = error.refusal
      refusal.hint =
        "\(kernelDefault); does a security module or a system call filter forbid it?"
      throw refusal
    }
    return
      "sealed against writing, growing, shrinking; executable mappings allowed; \(kernelDefault)"
  }

  /// The setting in words.
  ///
  /// Any value serves: the files say themselves that nobody runs them.
  private static var kernelDefault: String {
    guard let bytes = try? RegularFile.read(setting, limit: 64) else {
      return "this kernel has no vm.memfd_noexec"
    }
    let value = bytes.prefix { $0 != UInt8(ascii: "\n") }
    return "vm.memfd_noexec is \(String(decoding: value, as: UTF8.self))"
  }
}
