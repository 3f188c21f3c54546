internal import Journal
internal import Platform
internal import Refusal

/// When somebody must look at a transaction, whoever asked for it being there or not.
struct DueLook: Equatable, Sendable {
  let transaction: UInt64
  /// Nanoseconds of CLOCK_MONOTONIC.
  let time: UInt64
  let kind: Kind

  /// What decides.
  enum Kind: Sendable {
    /// Nothing: it is rolled back.
    case deadMan
    /// What copies of batches have shown.
    case shadow
    /// Its health.
    case rollout
  }
}

extension Agent.State {
  /// The next look; nil when nothing waits.
  var due: DueLook? {
    guard !isClosed, let transaction, transaction.state == .active else { return nil }
    if let shadow = transaction.shadow, !shadow.isOver {
      return DueLook(transaction: transaction.number, time: shadow.nextLook, kind: .shadow)
    }
    guard let confirmBy = transaction.confirmBy else { return nil }
    guard let rollout = transaction.rollout else {
      return DueLook(transaction: transaction.number, time: confirmBy, kind: .deadMan)
    }
    return DueLook(
      transaction: transaction.number, time: min(rollout.nextLook, confirmBy), kind: .rollout)
  }
}

extension Agent {
  /// How long the timer waits after something that was refused.
  private static let timerPause: UInt64 = 100_000_000

  /// Starts the dead-man timer if it does not run yet, before there is anything for it to wait for.
  ///
  /// It is a thread of its own, independent of whoever asked for the activation, and ends when nothing waits any
  /// more. Call it within an operation, and before anything is published: throws where there is no thread, and
  /// nobody would look at the candidate.
  func startTimer() throws(Refusal) {
    let isNeeded = state.withLock { state -> Bool in
      defer { state.timer = .running }
      return state.timer == .idle
    }
    guard isNeeded else { return }
    do throws(SystemError) {
      try SystemThread.start("hitless-timer", at: options.threads) { [self] in
        runTimer()
      }.detach()
    } catch {
      state.withLock { $0.timer = .idle }
      var refusal = error.refusal
      refusal.hint =
        "nobody would look at the candidate: let the host start one more thread, and activate again"
      throw refusal
    }
  }

  private func runTimer() {
    while let due = nextDue() {
      let isOver = state.wait(until: .at(due.time)) { $0.due != due ? true : nil }
      guard isOver == nil else { continue }
      // Late, but never in the middle of something else; what that is may settle it as well.
      _ = state.wait(until: .after(.max)) { state in
        state.operation == nil || state.due != due ? true : nil
      }
      guard state.withLock({ $0.due == due }) else { continue }
      if !carryOut(due) {
        // Somebody was faster, or there is no memory for a view: look again soon.
        _ = state.wait(until: .after(Self.timerPause)) { $0.isClosed ? true : nil }
      }
    }
  }

  private func carryOut(_ due: DueLook) -> Bool {
    switch due.kind {
    case .shadow: return lookAtShadow(of: due.transaction)
    case .rollout: return look(at: due.transaction)
    case .deadMan:
      return
        (try? rollback(due.transaction, because: .notConfirmed, detail: "not confirmed in time"))
        != nil
    }
  }

  /// What waits; when nothing does, the timer's thread is over.
  ///
  /// Not in the middle of an operation: one that is going to publish counts on the thread that it has found.
  private func nextDue() -> DueLook? {
    let found = state.wait(until: .after(.max)) { state -> DueLook?? in
      if let due = state.due { return .some(due) }
      guard state.operation == nil || state.isClosed else { return nil }
      state.timer = .idle
      return .some(nil)
    }
    return found ?? nil
  }
}
