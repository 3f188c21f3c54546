internal import CGuard
internal import CHitless
internal import Glibc
internal import Platform
internal import Synchronization

/// One worker's guard: the record that its handlers write to, and the stack that they run on.
///
/// The handlers need a stack of their own because the thread's may be what has overflowed. The page below it
/// cannot be touched, so that a handler of the host that is too greedy does not damage what lies there.
///
/// Threading: made and ended by whoever holds the domain's lock; `seat` and `leave` belong to the worker's thread;
/// the counters can be read from any. The memory goes with the value, so the value lives as long as the worker's
/// record.
@safe
package final class WorkerGuard: @unchecked Sendable {
  /// Bytes of the stack for handlers, beyond what the kernel puts there.
  private static let stackBytes = 1 << 16

  /// The record, as the worker's own needs it.
  let record: UnsafeMutablePointer<hitless_guard>
  private let memory: UnsafeMutableRawPointer
  private let byteCount: Int
  private let stackStart: UnsafeMutableRawPointer
  private let stackSize: Int
  private let seated = Guarded("")
  /// Whether copies are run in it: their views are none of the domain's.
  private let isForCopies: Bool

  /// Makes a guard for `worker`, whose faults are told through `wake`; nil without memory.
  init?(
    _ worker: UnsafeMutablePointer<hitless_worker>, wake: Int32, isCatching: Bool,
    isForCopies: Bool, next: UnsafeMutablePointer<hitless_guard>?
  ) {
    self.isForCopies = isForCopies
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let minimum = max(0, Int(sysconf(Int32(_SC_MINSIGSTKSZ))))
    let recordSize = unsafe Self.pages(MemoryLayout<hitless_guard>.size, page)
    stackSize = Self.pages(Self.stackBytes + minimum, page)
    byteCount = page + stackSize + recordSize
    // SAFETY: an anonymous mapping touches no file; the result is checked before use.
    let address = unsafe mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else { return nil }
    // Without that page a handler that is too greedy would write to whatever lies there: as good as no memory.
    guard unsafe mprotect(address, page, PROT_NONE) == 0 else {
      unsafe munmap(address, byteCount)
      return nil
    }
    unsafe memory = address
    unsafe stackStart = address + page
    unsafe record = (address + page + stackSize).bindMemory(to: hitless_guard.self, capacity: 1)
    // SAFETY: the mapping is as large as all three parts, and zeros are a valid record.
    unsafe record.pointee.worker = worker
    unsafe record.pointee.wake = wake
    unsafe record.pointee.is_catching = isCatching ? 1 : 0
    unsafe record.pointee.next = next
  }

  deinit {
    leave()
    unsafe munmap(memory, byteCount)
  }

  private static func pages(_ bytes: Int, _ page: Int) -> Int { (bytes + page - 1) / page * page }

  /// The name of the worker that sits here.
  package var name: String { seated.withLock { $0 } }

  /// Prepares the calling thread: its handlers' stack, and that no signal it needs is blocked.
  package func seat(name: String, signal: Int32) {
    seated.withLock { $0 = name }
    unsafe Seat.take(stack_t(ss_sp: stackStart, ss_flags: 0, ss_size: stackSize), signal)
    unsafe thread.pointee.store(UInt32(bitPattern: CurrentThread.id), ordering: .relaxed)
  }

  /// Gives the thread back what it had before, if it is the calling one; nobody is told anything from here on.
  package func leave() {
    let own = unsafe thread.pointee.exchange(0, ordering: .relaxed)
    guard own != 0 else { return }
    unsafe Seat.leave(stackStart, isOwn: own == UInt32(bitPattern: CurrentThread.id))
  }
}

extension WorkerGuard {
  /// Batches that were run again on stable.
  package var faults: UInt64 { unsafe word(216).pointee.load(ordering: .relaxed) }
  /// Views that the worker has left because of their deadline.
  package var expirations: UInt64 { unsafe word(224).pointee.load(ordering: .relaxed) }
  /// Faults for which there was no room to report them.
  package var unreported: UInt64 { unsafe word(232).pointee.load(ordering: .relaxed) }
  /// How often the watchdog has signalled this worker.
  package var signals: UInt64 { unsafe word(88).pointee.load(ordering: .relaxed) }

  /// The kernel's number of the thread; 0 while nobody sits here.
  ///
  /// Ordering: relaxed everywhere; the watchdog takes nothing from it but the number.
  private var thread: UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (UnsafeMutableRawPointer(record) + 128).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  /// Where the report stands, `HITLESS_GUARD_…`.
  private var state: UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (UnsafeMutableRawPointer(record) + 132).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  /// Number of the generation whose fault found the report in use; 0 when there is none.
  ///
  /// Ordering: relaxed everywhere; nothing is read because of it. The exchange takes each number once, so that one
  /// that is stored while the agent answers for the last is answered for as well.
  private var missed: UnsafeMutablePointer<Atomic<UInt64>> { unsafe word(136) }

  private func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    // SAFETY: run.c asserts the offsets, and an atomic word has the layout of the word.
    unsafe (UnsafeMutableRawPointer(record) + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// What the worker reports, if it does, without taking it.
  ///
  /// Ordering: acquire; pairs with the worker's release when the report is complete.
  func peek() -> GuardFault? {
    guard unsafe state.pointee.load(ordering: .acquiring) == UInt32(HITLESS_GUARD_FULL) else {
      return nil
    }
    return unsafe GuardFault(
      record.pointee.report, worker: name, thread: thread.pointee.load(ordering: .relaxed),
      isOfCopy: isForCopies)
  }

  /// The fault of which only the generation is known, if there was one; the caller answers for it.
  func takeUnreported() -> GuardFault? {
    let generation = unsafe missed.pointee.exchange(0, ordering: .relaxed)
    guard generation != 0 else { return nil }
    return unsafe GuardFault(
      unreported: generation, worker: name, thread: thread.pointee.load(ordering: .relaxed))
  }

  /// The fault with which stable's last run of a copy has ended, for the thread that has run it.
  func faultOfStable() -> GuardFault {
    unsafe GuardFault(
      record.pointee.stables, worker: name, thread: thread.pointee.load(ordering: .relaxed),
      isOfCopy: isForCopies)
  }

  /// Whether a fault of `generation` waits to be answered for that is not known to be from before the view `sequence`.
  func hasFault(of generation: UInt64, since sequence: UInt64) -> Bool {
    let missed = unsafe missed.pointee.load(ordering: .relaxed)
    guard missed != generation else { return true }
    return peek().map { $0.generation == generation && !$0.isOlder(than: sequence) } ?? false
  }

  /// Makes room for the next report.
  ///
  /// Ordering: release; pairs with the handler's acquire, so that it does not write before this thread
  /// has read.
  func release() {
    unsafe state.pointee.store(UInt32(HITLESS_GUARD_FREE), ordering: .releasing)
  }
}
