/// Host-owned records of one kind, reached with bounds checks.
///
/// With `Packet` and `Filter`, this is where memory safety is decided.
@safe
struct Records<Layout: BitwiseCopyable> {
  private let base: UnsafePointer<Layout>?
  /// How many there are; zero without a base.
  let count: UInt32

  /// Wraps the `count` records at `base`.
  @inline(always)
  init(_ base: UnsafePointer<Layout>?, count: UInt32) {
    unsafe self.base = base
    self.count = unsafe base == nil ? 0 : count
  }

  /// The record at `index`, or nil when the host has none there.
  @inline(always)
  subscript(index: UInt32) -> Layout? { unsafe pointer(index)?.pointee }

  /// Where the record at `index` is; for views that load single fields.
  @inline(always)
  func pointer(_ index: UInt32) -> UnsafePointer<Layout>? {
    guard index < count, let base = unsafe base else { return nil }
    // SAFETY: the host promises `count` records at `base`, and the index is below.
    return unsafe base + Int(index)
  }

  /// The `count` records from `first` on, fewer when the host has fewer there.
  @inline(always)
  func slice(_ first: UInt32, _ count: UInt32) -> Records {
    guard first < self.count, let base = unsafe base else { return unsafe Records(nil, count: 0) }
    // SAFETY: the first one is there, and the count ends with the last one.
    return unsafe Records(base + Int(first), count: min(count, self.count &- first))
  }

  /// Starts loading the record at `index` into the cache.
  @inline(always)
  func prefetch(_ index: UInt32) {
    if let pointer = unsafe pointer(index) { unsafe classify_prefetch(pointer) }
  }
}
