internal import CHitless
internal import Glibc
internal import Guard
internal import Platform
internal import Synchronization

/// One worker's record, as the agent sees it: the word it publishes to, and the word it waits for.
///
/// The memory is never freed while the domain lives: a record that is given back serves the next worker,
/// so a thread that waits for the one before never reads freed memory.
///
/// Threading: `view` has one writer, who holds the domain's lock; `seen` belongs to the worker, except
/// while nobody is registered, when it belongs to whoever holds the domain's lock.
@safe
struct WorkerRecord: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<hitless_worker>
  let name: String
  /// The thread that has registered it, which is the one that uses it.
  let thread: ThreadIdentity
  /// What catches its faults; nil where nothing does.
  let workerGuard: WorkerGuard?

  /// Its place among the domain's records: the lowest that was free when it was registered.
  var index: UInt32 { unsafe pointer.pointee.index }

  private var view: UnsafeMutablePointer<Atomic<UInt>> {
    // SAFETY: the header fixes both offsets, and an atomic word has the layout of the word.
    unsafe (UnsafeMutableRawPointer(pointer) + 64).assumingMemoryBound(to: Atomic<UInt>.self)
  }

  private var seen: UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe (UnsafeMutableRawPointer(pointer) + 128).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  private var ready: UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe (UnsafeMutableRawPointer(pointer) + 136).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  private var guarded: UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe (UnsafeMutableRawPointer(pointer) + 160).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// Puts `next` in force for this worker.
  ///
  /// Ordering: sequentially consistent.
  /// - As a release it pairs with the acquire load in `hitless_enter`: who reads the word also reads the
  ///   view, the generation and the tables behind it. Without it a worker could call through a table
  ///   that it sees half written.
  /// - A release is not enough for a worker that comes back from idle. This store and the load in
  ///   `passed` are the agent's half of a store-load pair, the two accesses of `hitless_resume` are the
  ///   worker's. Without one total order over the four, the agent could read "idle" while the worker
  ///   reads the old word.
  func publish(_ next: UnsafePointer<hitless_view>) {
    unsafe view.pointee.store(UInt(bitPattern: next), ordering: .sequentiallyConsistent)
  }

  /// Whether the worker can touch no view before `sequence` any more.
  ///
  /// Ordering: sequentially consistent.
  /// - As an acquire it pairs with the release stores of `seen` in `hitless_enter` and `hitless_idle`:
  ///   the worker's last reads of older views are over before the caller reuses their memory.
  /// - For the store-load pair with `hitless_resume` see `publish`. The publication is before this call:
  ///   in the same thread, or through the domain's lock.
  func hasPassed(_ sequence: UInt64) -> Bool {
    let seen = lastSeen
    // HITLESS_SEEN_IDLE is above every sequence.
    return seen >= sequence
  }

  /// Whether the worker has fetched all that the view of `sequence` announces, or has a later view, or none.
  ///
  /// Ordering: `ready` relaxed: it decides when the next view is published, not what may be read or
  /// reused. For `hasPassed` see there.
  func isReady(_ sequence: UInt64) -> Bool {
    unsafe ready.pointee.load(ordering: .relaxed) == sequence || hasPassed(sequence + 1)
  }

  /// What the worker has said last; see `hasPassed` for the order.
  var lastSeen: UInt64 {
    unsafe seen.pointee.load(ordering: .sequentiallyConsistent)
  }

  /// Whether the worker says that it uses no view.
  var isIdle: Bool { lastSeen == idleSequence }

  /// Prepares the record for a worker that starts with `view`, whose sequence is `sequence`.
  ///
  /// "Every view before `sequence` is behind me" is true from the start: the worker has seen none.
  ///
  /// Ordering: relaxed and release would do, since the registering thread holds the lock that every
  /// publication holds, and hands the record to the worker itself. The stores are those of `publish` and
  /// of a worker, so that there is one rule per word.
  ///
  /// A thread that ended in the middle of a guarded batch has left its mark odd. The next batch's would be even
  /// then, and its faults the host's.
  func start(with view: UnsafePointer<hitless_view>, sequence: UInt64) {
    let mark = unsafe guarded.pointee.load(ordering: .relaxed)
    unsafe guarded.pointee.store(mark + mark % 2, ordering: .relaxed)
    unsafe seen.pointee.store(sequence, ordering: .sequentiallyConsistent)
    unsafe publish(view)
  }

  /// Says in the worker's place that it touches no view, for ever.
  ///
  /// Ordering: release, as in `hitless_idle`. The unregistering thread has the worker's last reads
  /// before this call: it is the worker, or has joined it, or was told by the kernel that it has ended.
  func end() {
    unsafe seen.pointee.store(idleSequence, ordering: .releasing)
  }
}

/// `HITLESS_SEEN_IDLE`, which Swift does not import.
let idleSequence = UInt64.max
