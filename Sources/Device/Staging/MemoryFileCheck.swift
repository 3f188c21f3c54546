internal import Glibc
internal import Platform
package import Refusal

/// Whether this system lets a process map code from a sealed memory file.
package enum MemoryFileCheck {
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
      refusal.hint = "is vm.memfd_noexec 2, or does a security module forbid executable mappings?"
      throw refusal
    }
    return "sealed against writing, growing, shrinking; executable mappings allowed"
  }
}
