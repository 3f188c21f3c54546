internal import Bytes
internal import Digests
internal import HotSwap
internal import Journal
internal import PatchFormat
internal import Platform
package import Refusal
internal import Staging
internal import Verification

extension Agent {
  /// Puts the staged candidate in force for every worker.
  ///
  /// A worker that has not passed at the deadline is named in the report and in an event; it goes on
  /// with what it has, which stays mapped. A rolled-back candidate may be activated again.
  package func activate(_ number: UInt64) throws(Refusal) -> SwapReport {
    try exclusively("activate", number) { () throws(Refusal) in
      let (running, transaction) = try current(number, in: [.staged, .rolledBack])
      try record("activating", number, "generation \(transaction.generation.number)")
      return try swap(
        running, to: running.stable, candidate: transaction.generation, number, "activated"
      ) { state in
        state.transaction?.state = .active
        state.counters.activations += 1
        guard options.confirmTimeout > 0 else { return }
        state.transaction?.confirmBy = Deadline.after(options.confirmTimeout).time
      }
    }
  }

  /// Returns every worker to stable, or drops what is only staged; needs no file and no memory.
  @discardableResult
  package func rollback(
    _ number: UInt64, reason: String = "asked for"
  ) throws(Refusal) -> SwapReport {
    try exclusively("rollback", number) { () throws(Refusal) in
      let (running, transaction) = try current(number, in: [.staged, .active])
      guard transaction.state == .active else {
        state.withLock { $0.transaction?.state = .rolledBack }
        note("rolled-back", number, reason)
        return SwapReport(publishNanoseconds: 0, graceNanoseconds: 0, overdue: [])
      }
      return try swap(running, to: running.stable, candidate: nil, number, "rolled-back") { state in
        state.transaction?.state = .rolledBack
        state.transaction?.confirmBy = nil
        state.counters.rollbacks += 1
      }
    }
  }

  /// Makes the active candidate stable: first on the device, for the next start, then here.
  @discardableResult
  package func confirm(_ number: UInt64) throws(Refusal) -> SwapReport {
    try exclusively("confirm", number) { () throws(Refusal) in
      let (running, transaction) = try current(number, in: [.active])
      var set = journal.confirmed
      for module in transaction.modules {
        try journal.store(try module.bytes(), digest: module.image.digest)
        set.modules[module.slot] = module.image.digest
      }
      set.accepted.merge(transaction.patch.accepted) { _, new in new }
      try journal.confirm(set)
      let report = try swap(
        running, to: transaction.generation, candidate: nil, number, "confirmed"
      ) { state in
        state.transaction?.state = .confirmed
        state.transaction?.confirmBy = nil
        state.counters.confirmations += 1
        state.running?.retired.append(running.stable)
        state.running?.stable = transaction.generation
        state.running?.modules = transaction.modules
      }
      // Objects of sets before this one; what cannot be removed now goes next time.
      _ = try? journal.collect(keeping: Set(running.modules.map(\.image.digest)))
      releaseOldGenerations()
      return report
    }
  }

  /// The transaction in question, if it is in one of `states`.
  func current(
    _ number: UInt64, in states: [TransactionState]
  ) throws(Refusal) -> (Running, Transaction) {
    try state.withLock { (state) throws(Refusal) in
      guard let running = state.running else {
        throw Refusal(.state, "the agent has not started")
      }
      guard let transaction = state.transaction, transaction.number == number else {
        throw Refusal(
          .state, "there is no transaction \(number)",
          found: state.transaction.map { "transaction \($0.number)" } ?? "none",
          hint: "'hitless agent list' shows what there is")
      }
      guard states.contains(transaction.state) else {
        throw Refusal(
          .state, "transaction \(number) is \(transaction.state.name)",
          expected: states.map(\.name).joined(separator: " or "))
      }
      return (running, transaction)
    }
  }

  /// Publishes, updates what the agent knows, and waits for the grace period.
  private func swap(
    _ running: Running, to stable: Generation, candidate: Generation?, _ number: UInt64,
    _ kind: String, _ update: (inout State) -> Void
  ) throws(Refusal) -> SwapReport {
    let publication = try running.domain.publish(stable: stable, candidate: candidate)
    state.withLock { update(&$0) }
    startTimerIfNeeded()
    let report: SwapReport
    switch running.domain.waitForGrace(publication, timeout: options.graceTimeout) {
    case .passed(let grace):
      report = SwapReport(
        publishNanoseconds: publication.publishNanoseconds, graceNanoseconds: grace.nanoseconds,
        overdue: [])
    case .overdue(let workers):
      report = SwapReport(
        publishNanoseconds: publication.publishNanoseconds, graceNanoseconds: nil,
        overdue: workers)
      for worker in workers {
        note("overdue", number, "\(worker); what it may use stays mapped")
      }
    }
    state.withLock { $0.lastSwap = report }
    note(
      kind, number,
      "view \(publication.sequence), published in \(report.publishNanoseconds) ns, grace period "
        + (report.graceNanoseconds.map { "\($0) ns" } ?? "not over"),
      [
        ("publish_ns", .unsigned(report.publishNanoseconds)),
        ("grace_ns", report.graceNanoseconds.map { .unsigned($0) } ?? .null),
      ])
    return report
  }

  /// Lets go of the oldest generations beyond those that stay mapped, as far as no worker may use them.
  func releaseOldGenerations() {
    guard let domain = state.withLock({ $0.running?.domain }) else { return }
    let old = state.withLock { state -> [Generation] in
      guard let retired = state.running?.retired, retired.count > Self.keptGenerations else {
        return []
      }
      return Array(retired.dropLast(Self.keptGenerations))
    }
    for generation in old {
      // A worker that is overdue may still use it: it stays, and is tried again at the next change.
      guard (try? domain.release(generation)) != nil else { continue }
      state.withLock { $0.running?.retired.removeAll { $0 === generation } }
      for module in generation.modules { unload(module, domain) }
    }
  }

  /// Unmaps a module that no generation holds; the domain refuses as long as one does.
  func unload(_ module: MappedModule, _ domain: SwapDomain) {
    guard (try? domain.unload(module)) != nil else { return }
    note("unmapped", 0, "\(module.name) \(module.version), build-id \(module.buildID.hex)")
  }
}

extension Agent {
  /// Starts the dead-man timer when something waits to be confirmed and it does not run yet.
  ///
  /// It is a thread of its own, independent of whoever asked for the activation, and ends when nothing
  /// waits any more.
  private func startTimerIfNeeded() {
    let isNeeded = state.withLock { state -> Bool in
      guard state.transaction?.confirmBy != nil, state.timer == .idle else { return false }
      state.timer = .running
      return true
    }
    guard isNeeded else { return }
    do throws(SystemError) {
      try SystemThread.start("hitless-timer") { [self] in runTimer() }.detach()
    } catch {
      state.withLock { $0.timer = .idle }
      note("overdue", 0, "no thread for the confirm timer: \(error)")
    }
  }

  private func runTimer() {
    while let (number, confirmBy) = waitingTransaction() {
      let isOver = state.wait(until: .at(confirmBy)) { state -> Bool? in
        state.isClosed || state.transaction?.confirmBy != confirmBy ? true : nil
      }
      guard isOver == nil else { continue }
      do throws(Refusal) {
        try rollback(number, reason: "not confirmed in time")
      } catch {
        // Somebody else's operation is under way; its end is the next moment to look.
        guard error.kind == .busy else { continue }
        _ = state.wait(until: .after(100_000_000)) { $0.operation == nil ? true : nil }
      }
    }
  }

  /// What waits to be confirmed; when nothing does, the timer's thread is over.
  private func waitingTransaction() -> (UInt64, UInt64)? {
    state.withLock { state in
      if !state.isClosed, let transaction = state.transaction,
        let confirmBy = transaction.confirmBy
      {
        return (transaction.number, confirmBy)
      }
      state.timer = .idle
      return nil
    }
  }
}
