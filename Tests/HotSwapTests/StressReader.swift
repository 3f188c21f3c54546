import CHitless
import Glibc
import CSwapTestSupport
import HotSwap
import Testing

/// How a reader finds and acknowledges its view.
enum StressProtocol: Int32, CaseIterable, Sendable {
  case sequence
  case idle
  case secondLoad
  case tick
  case pointer
  case weakResume

  /// Wrong on purpose.
  var isWrong: Bool { self != .sequence && self != .idle }
  /// Shown with the agent in C: it acknowledges in a way that `SwapDomain` does not wait for, or fails
  /// only when nothing lies between the agent's store and its next load.
  var needsTightAgent: Bool { isWrong && self != .secondLoad }
}

/// One C reader on a thread of its own, registered with a domain.
///
/// Threading: the reader writes its record, the test reads it with the accessors only.
@safe
final class StressReader: @unchecked Sendable {
  private let record: UnsafeMutablePointer<swap_reader>
  private let worker: UnsafeMutablePointer<hitless_worker>
  private let domain: SwapDomain
  private let thread: PinnedThread

  /// Starts a reader and waits until it has run its first batch.
  init(
    in domain: SwapDomain, _ kind: StressProtocol, usesTightAgent: Bool
  ) throws {
    self.domain = domain
    unsafe worker = try domain.registerWorker(name: "reader")
    unsafe record = .allocate(capacity: 1)
    // A wrong protocol would not survive following the pointers of a view that is gone.
    unsafe record.initialize(
      to: swap_reader(
        worker: worker, protocol: kind.rawValue, follows: usesTightAgent || kind.isWrong ? 0 : 1,
        batches: 0,
        changes: 0, poisoned: 0, stop: 0))
    if usesTightAgent { unsafe swap_tight_agent_prepare(record) }
    let box = unsafe RecordBox(record: record)
    thread = try #require(PinnedThread(onProcessor: 1) { box.run() })
    while batches == 0 { sched_yield() }
  }

  deinit {
    unsafe record.deallocate()
  }

  var batches: UInt64 { unsafe swap_reader_batches(record) }
  var poisoned: UInt64 { unsafe swap_reader_poisoned(record) }
  /// How often the view was another one than before; valid after `stop`.
  var changes: UInt64 { unsafe record.pointee.changes }

  /// Lets the agent in C publish up to `count` views; returns how many it did.
  func runTightAgent(count: UInt64) -> UInt64 { unsafe swap_tight_agent_run(record, count) }

  /// Ends the reader.
  func stop() throws {
    unsafe swap_reader_stop(record)
    thread.join()
    try unsafe domain.unregisterWorker(worker)
  }
}

/// Hands a reader's record to its thread.
///
/// Threading: only the thread that runs uses the record.
@safe
private struct RecordBox: @unchecked Sendable {
  let record: UnsafeMutablePointer<swap_reader>

  func run() { unsafe swap_reader_run(record) }
}
