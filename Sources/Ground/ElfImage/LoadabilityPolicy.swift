/// What a host lets its modules need from outside of themselves.
package struct LoadabilityPolicy: Equatable, Sendable {
  /// Libraries that a module may name.
  package private(set) var allowedLibraries: Set<String>
  /// Symbols that a module may import.
  package private(set) var allowedImports: Set<String>
  /// Page size of the machine that will load the module; nil is the smallest that its processor uses.
  package var pageSize: UInt64?

  /// What every host allows: copying and comparing memory, and the ways in which checks give up.
  package static let standard = LoadabilityPolicy(
    allowedLibraries: [
      "libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "ld-linux-riscv64-lp64d.so.1",
      "ld-linux-loongarch-lp64d.so.1",
    ],
    allowedImports: [
      "memcpy", "memmove", "memset", "memcmp", "memchr", "bcmp", "mempcpy",
      "__memcpy_chk", "__memmove_chk", "__memset_chk", "__mempcpy_chk",
      "__stack_chk_fail", "__stack_chk_guard", "abort",
    ])

  /// Returns the policy with more imports; what no module may ever import stays refused.
  package func allowing(imports: some Sequence<String>) -> LoadabilityPolicy {
    var policy = self
    policy.allowedImports.formUnion(imports)
    return policy
  }

  /// Returns whether a module may import `name`.
  package func allows(import name: String) -> Bool {
    allowedImports.contains(name) && !Self.isNeverAllowed(name)
  }

  /// Returns whether no host can allow the import of `name`: it allocates, or it leaves something in the
  /// process that points into the module when the module is gone.
  package static func isNeverAllowed(_ name: String) -> Bool {
    neverAllowed.contains(name) || name.hasPrefix("__cxa_") || name.hasPrefix("pthread_")
  }

  private static let neverAllowed: Set<String> = [
    "malloc", "calloc", "realloc", "reallocarray", "free", "aligned_alloc", "posix_memalign",
    "memalign", "valloc", "mmap", "munmap", "mremap", "mprotect", "sbrk", "brk",
    "signal", "sigaction", "sigaltstack", "bsd_signal", "sysv_signal", "__sysv_signal",
    "thrd_create", "tss_create", "call_once", "timer_create",
    "atexit", "at_quick_exit", "on_exit", "__register_atfork", "__register_frame",
    "__register_frame_info", "dlopen", "dlmopen", "dlclose", "dlsym",
    "fork", "vfork", "clone", "clone3", "posix_spawn", "posix_spawnp", "system", "popen",
    "execve", "execvp", "exit", "quick_exit", "_exit", "_Exit",
    "_Znwm", "_Znam", "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm",
  ]
}
