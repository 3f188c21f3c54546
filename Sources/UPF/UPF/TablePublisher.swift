internal import Refusal
internal import Synchronization

/// The word through which workers find the rule tables in force, and the proof that old ones are unused.
///
/// The same protocol as for modules (hitless/worker.h), for the host's own tables: a worker echoes the
/// sequence number of the tables it has loaded, and who waits for tables to be unused waits until every
/// worker has echoed a later number or says that it uses none.
///
/// Threading: `enter`, `idle` and `resume` are the worker's whose index they take; `publish` and
/// `isUnused` belong to one control thread at a time.
@safe
final class TablePublisher: @unchecked Sendable {
  private static let idle = UInt64.max
  /// Cells of one worker's echo: two cache lines of its own.
  private static let stride = 16

  private let current: Atomic<UnsafePointer<RuleTablesView>>
  private let memory: ZeroedMemory
  private let workerCount: Int

  /// Starts with `view` in force and no worker using anything.
  init(_ view: UnsafePointer<RuleTablesView>, workerCount: Int) throws(Refusal) {
    unsafe current = Atomic(view)
    memory = try ZeroedMemory(count: Self.stride * workerCount, stride: 8)
    self.workerCount = workerCount
    for worker in 0..<workerCount {
      unsafe seen(worker).pointee.store(Self.idle, ordering: .relaxed)
    }
  }

  private func seen(_ worker: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    // SAFETY: the memory holds `stride` zeroed words for each worker.
    unsafe (memory.base + 8 * Self.stride * worker).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// Returns the tables for the next batch; call once per batch.
  ///
  /// Ordering: the acquire load pairs with the release of `publish`. The release store pairs with the
  /// acquire load of `isUnused` and keeps this worker's last reads of older tables before it; it
  /// echoes what was loaded, because a number stored first would promise tables that are not yet here.
  @inline(__always)
  func enter(_ worker: Int) -> UnsafePointer<RuleTablesView> {
    let view = unsafe current.load(ordering: .acquiring)
    unsafe seen(worker).pointee.store(view.pointee.sequence, ordering: .releasing)
    return unsafe view
  }

  /// Says that the worker uses no tables until `resume`.
  ///
  /// Ordering: release, to keep the last reads of any tables before it.
  func idle(_ worker: Int) {
    unsafe seen(worker).pointee.store(Self.idle, ordering: .releasing)
  }

  /// Ends `idle`.
  ///
  /// Ordering: sequentially consistent, like `publish` and `isUnused`. The control thread stores the
  /// word and then loads the echo, the worker stores the echo and then loads the word: without one
  /// total order both could miss each other.
  func resume(_ worker: Int) {
    unsafe seen(worker).pointee.store(0, ordering: .sequentiallyConsistent)
    _ = unsafe current.load(ordering: .sequentiallyConsistent)
  }

  /// Puts `view` in force, whose sequence must be higher than any before.
  func publish(_ view: UnsafePointer<RuleTablesView>) {
    unsafe current.store(view, ordering: .sequentiallyConsistent)
  }

  /// Whether no worker can use tables older than `sequence` any more.
  func isUnused(before sequence: UInt64) -> Bool {
    (0..<workerCount).allSatisfy { worker in
      unsafe seen(worker).pointee.load(ordering: .sequentiallyConsistent) >= sequence
    }
  }
}
