/// Host-owned records of one kind, read with bounds checks.
///
/// Everything else in this module works on values, so this is where memory safety is decided.
@safe
struct Records<Record: BitwiseCopyable> {
  private let base: UnsafePointer<Record>?
  /// How many there are; zero without a base.
  let count: UInt32

  /// Wraps the `count` records at `base`.
  @inline(__always)
  init(_ base: UnsafePointer<Record>?, count: UInt32) {
    unsafe self.base = base
    self.count = unsafe base == nil ? 0 : count
  }

  /// The record at `index`, or nil when the host has none there.
  @inline(__always)
  subscript(index: UInt32) -> Record? {
    guard index < count, let base = unsafe base else { return nil }
    // SAFETY: the host promises `count` records at `base`, and the index is below.
    return unsafe base[Int(index)]
  }

  /// Starts loading the record at `index` into the cache.
  @inline(__always)
  func prefetch(_ index: UInt32) {
    guard index < count, let base = unsafe base else { return }
    // SAFETY: as above.
    unsafe classify_prefetch(base + Int(index))
  }
}
