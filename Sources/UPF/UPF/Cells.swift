internal import Synchronization

/// A row of 64-bit counters, each with one writer and any number of readers.
///
/// Threading: one thread calls `add` and `set`; any thread may load.
/// Ordering: stores release and loads acquire, so that a reader who has seen one store of a settled
/// batch also sees that the batch's sequence number is odd (`WorkerCounters`). On x86 both are
/// plain moves.
@unsafe
struct Cells: BitwiseCopyable {
  private let base: UnsafeMutableRawPointer

  /// Counters in zeroed, eight-byte aligned memory that outlives this value.
  init(_ base: UnsafeMutableRawPointer) { unsafe self.base = unsafe base }

  /// Where the first cell is.
  var address: UnsafeRawPointer {
    @inline(__always)
    get { unsafe UnsafeRawPointer(base) }
  }

  /// The cells from `offset` on.
  @inline(__always)
  func advanced(by offset: Int) -> Cells { unsafe Cells(base + 8 * offset) }

  @inline(__always)
  private func cell(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    // SAFETY: Atomic<UInt64> has the layout of UInt64, and the owner promised the memory.
    unsafe (base + 8 * index).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// Adds without a locked instruction: nobody else writes.
  @inline(__always)
  func add(_ value: UInt64, to index: Int) {
    let cell = unsafe cell(index)
    unsafe cell.pointee.store(
      cell.pointee.load(ordering: .relaxed) &+ value, ordering: .releasing)
  }

  @inline(__always)
  func set(_ value: UInt64, at index: Int) {
    unsafe cell(index).pointee.store(value, ordering: .releasing)
  }

  @inline(__always)
  func load(_ index: Int) -> UInt64 {
    unsafe cell(index).pointee.load(ordering: .acquiring)
  }
}
