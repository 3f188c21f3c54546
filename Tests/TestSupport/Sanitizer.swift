internal import Glibc

/// What the tests were built with.
package enum Sanitizer {
  /// ThreadSanitizer keeps signals back until the thread calls the C library, which a loop does not, and
  /// has an `abort` of its own, out of which nobody may jump.
  package static let isThread = unsafe dlsym(nil, "__tsan_init") != nil
  /// Instrumented code takes long on a busy machine, and has an allocator of its own.
  package static let isAny = unsafe isThread || dlsym(nil, "__asan_init") != nil
}
