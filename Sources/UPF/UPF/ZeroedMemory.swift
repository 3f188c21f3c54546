internal import Glibc
internal import Refusal

/// A piece of page-aligned memory that starts as zeros and takes no room until it is written.
///
/// Tables for a million sessions are reserved whole, so that records never move: workers and modules
/// keep plain pointers to them, and growing is nothing but touching the next page.
///
/// Threading: the memory is shared as its users agree; the value itself never changes.
@safe
final class ZeroedMemory: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  /// Reserves room for `count` records of `stride` bytes each.
  init(count: Int, stride: Int) throws(Refusal) {
    let (bytes, overflow) = max(count, 1).multipliedReportingOverflow(by: stride)
    guard !overflow else { throw Refusal(.limit, "\(count) records of \(stride) bytes") }
    // SAFETY: an anonymous mapping touches no file; the result is checked before use.
    let address = unsafe mmap(
      nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw Refusal(.noSpace, "cannot reserve \(bytes) bytes of memory")
    }
    unsafe base = address
    byteCount = bytes
  }

  deinit { unsafe munmap(base, byteCount) }

  /// The records as values of `T`, whose every bit pattern the caller must accept.
  func records<T: BitwiseCopyable>(_: T.Type = T.self) -> UnsafeMutablePointer<T> {
    // SAFETY: zeros are a valid `T` for the record types here; each memory has one record type.
    unsafe base.assumingMemoryBound(to: T.self)
  }
}
