internal import CPathBench
internal import Glibc
internal import HotSwap
internal import Platform
internal import Refusal

/// A second worker, which fails when the first one does.
///
/// Threading: made, used and ended by one thread; the worker has one of its own.
@safe
final class FaultPartner: @unchecked Sendable {
  /// Where the two meet.
  ///
  /// Both write it atomically; it is put back while the partner rests.
  let meeting: UnsafeMutablePointer<path_meeting>
  private let modules: PathModules
  private let state: PathState
  private let order = Guarded(Order.rest)
  private let failure = Guarded<Refusal?>(nil)
  private let hasEnded = Guarded(false)

  private enum Order: Equatable {
    case rest
    case fail(FaultKind)
    case failed(UInt64)
    case end
  }

  /// Starts the worker, which waits until it is told.
  init(modules: PathModules, sessions: UInt32, onProcessor processor: Int32) throws(Refusal) {
    self.modules = modules
    state = try PathState(sessions: sessions)
    unsafe meeting = .allocate(capacity: 1)
    unsafe meeting.initialize(to: path_meeting(wanted: 2, arrived: 0))
    do throws(SystemError) {
      try SystemThread.start("bench-partner") { [self] in
        do throws(Refusal) {
          try pin(to: processor)
          try work()
        } catch {
          failure.withLock { $0 = error }
        }
        hasEnded.withLock { $0 = true }
      }.detach()
    } catch {
      throw error.refusal
    }
  }

  deinit { unsafe meeting.deallocate() }

  /// Lets it run some batches, and fail in one that begins before both have met.
  func begin(_ kind: FaultKind) {
    unsafe meeting.pointee.arrived = 0
    order.withLock { $0 = .fail(kind) }
  }

  /// Waits until it has failed, and says what that took; 0 when it found the candidate gone.
  func finish() throws(Refusal) -> UInt64 {
    while true {
      if let failure = failure.withLock({ $0 }) { throw failure }
      if case .failed(let time) = order.withLock({ $0 }) {
        try state.expectNothingLost()
        return time
      }
      usleep(20)
    }
  }

  /// Ends the worker.
  func end() throws(Refusal) {
    order.withLock { $0 = .end }
    while !hasEnded.withLock({ $0 }) { usleep(50) }
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  private func work() throws(Refusal) {
    let worker = try unsafe modules.domain.registerWorker(name: "bench-partner")
    loop: while true {
      switch order.withLock({ $0 }) {
      case .end: break loop
      case .rest, .failed: usleep(20)
      case .fail(let kind):
        unsafe modules.driver.pointee.run_batches(state.pointer, worker, FaultRound.batchesBefore)
        let time = unsafe path_fail(state.pointer, worker, kind.number, meeting)
        order.withLock { if $0 != .end { $0 = .failed(time) } }
      }
    }
    unsafe try modules.domain.unregisterWorker(worker)
  }
}
