internal import Glibc
internal import Refusal

/// Memory with one record after another, zeroed at first; takes no room until it is written to.
///
/// Views that name it hold it, so it goes when no worker can find it any more.
///
/// Threading: immutable; the records are whose mark says so.
@safe
final class StateArea: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let schema: StateDefinition.Schema
  private let mappedBytes: Int

  /// Reserves room for `count` records.
  init(_ schema: StateDefinition.Schema, count: UInt64, of table: String) throws(Refusal) {
    let (bytes, overflow) = Int(clamping: count).multipliedReportingOverflow(by: Int(schema.size))
    guard !overflow else { throw Refusal(.limit, "\(count) records of \(schema.size) bytes") }
    // SAFETY: an anonymous mapping touches no file; the result is checked before use.
    let address = unsafe mmap(
      nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw Refusal(
        .noSpace, "no memory for the records of state table '\(table)'", expected: "\(bytes) bytes")
    }
    unsafe base = address
    self.schema = schema
    mappedBytes = bytes
  }

  /// Takes memory of the host, which stays the host's.
  init(_ schema: StateDefinition.Schema, at base: UnsafeMutableRawPointer) {
    unsafe self.base = unsafe base
    self.schema = schema
    mappedBytes = 0
  }

  /// Makes zeros of so many records; nobody may be using one.
  func clear(count: UInt64) {
    // SAFETY: the mapping is this area's own; pages that are given back are zeros when they are read next. The
    // kernel does not take them from a host that has locked its memory.
    if mappedBytes > 0, unsafe madvise(base, mappedBytes, MADV_DONTNEED) == 0 { return }
    unsafe memset(base, 0, Int(count) * Int(schema.size))
  }

  deinit { if mappedBytes > 0 { unsafe munmap(base, mappedBytes) } }
}
