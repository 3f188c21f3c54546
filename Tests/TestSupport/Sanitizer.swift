internal import Glibc

/// What the tests were built with.
package enum Sanitizer {
  /// ThreadSanitizer keeps signals back until the thread calls the C library, which a loop does not, and
  /// has an `abort` of its own, out of which nobody may jump.
  package static let isThread = unsafe dlsym(nil, "__tsan_init") != nil
  /// AddressSanitizer stands in for much of the C library, and must not be left in the midst of it by a jump.
  package static let isAddress = unsafe dlsym(nil, "__asan_init") != nil
  /// Instrumented code takes long on a busy machine, and has an allocator of its own.
  package static let isAny = isThread || isAddress
}
