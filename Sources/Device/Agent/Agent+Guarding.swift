internal import AgentControl
internal import Bytes
internal import ElfImage
internal import Guard
internal import HotSwap
internal import Journal
internal import Platform
internal import Refusal
internal import Staging
internal import Verification

extension Agent {
  /// What was stable before the generation that is, for as long as workers may have to go back there.
  struct Fallback {
    let generation: Generation
    let modules: [StagedModule]
  }

  /// Prepares for a candidate: handlers, watchdog, and the thread that answers for faults.
  ///
  /// Throws when faults could not be caught; nothing has changed for workers then.
  func beginGuarding(in domain: SwapDomain) throws(Refusal) {
    guard let room = domain.room, room.options.mode != .off else { return }
    try room.begin(at: options.threads)
    try beginAnswering(in: room)
  }

  /// Starts the thread that answers for faults of batches and of hooks, if it does not live.
  func beginAnswering(in room: GuardRoom) throws(Refusal) {
    let isNeeded = state.withLock { state -> Bool in
      defer { state.isAnswering = true }
      return !state.isAnswering
    }
    guard isNeeded else { return }
    do throws(SystemError) {
      // Neither holds the agent: the room ends the thread when the domain goes.
      try SystemThread.start("hitless-guard", at: options.threads) { [weak self] in
        while true {
          let fault = room.answerFault {
            self?.answer(for: $0)
          } elseLook: {
            self?.answerForOthers()
          }
          guard fault != nil else { return }
        }
      }.detach()
    } catch {
      state.withLock { $0.isAnswering = false }
      throw error.refusal
    }
  }

  /// Lets the watchdog rest when nothing is guarded any more.
  func endGuarding(in domain: SwapDomain) {
    if domain.room?.options.mode != .always { domain.room?.end() }
  }

  /// Puts a generation in force for good: alone, or, where the guard stays on, above what was stable before.
  func publish(
    stable: Generation, above fallback: Fallback?, in domain: SwapDomain, states: ViewStates? = nil
  ) throws(Refusal) -> Publication {
    guard let fallback, domain.room?.options.mode == .always else {
      return try domain.publish(stable: stable, states: states)
    }
    return try domain.publish(stable: fallback.generation, candidate: stable, states: states)
  }

  /// Throws when the candidate has faulted since it was activated.
  func requireNoFault(_ transaction: Transaction, in domain: SwapDomain) throws(Refusal) {
    let generation = transaction.generation
    guard transaction.faults > 0 || generation.breaker.isOpen || hasFault(generation, in: domain)
    else { return }
    throw Refusal(
      .health, "the candidate of transaction \(transaction.number) has faulted",
      hint: "'hitless agent list' shows the fault; it is being rolled back")
  }

  /// Whether a worker has just come back from `generation`.
  func hasFault(_ generation: Generation, in domain: SwapDomain) -> Bool {
    let since = state.withLock { $0.firstView(of: generation.number) }
    return domain.room?.hasFault(of: generation.number, since: since) ?? false
  }
}

extension Agent {
  /// Takes a generation that has faulted out of force, and then tells everybody why.
  ///
  /// The worker in question is on stable already; this is for the others, and for the next start.
  private func answer(for fault: GuardFault) {
    let (number, modules, patch, changed) = state.withLock { state in
      state.counters.faults += 1
      state.metrics.countFault(fault.reason.name)
      return state.guarded(fault)
    }
    let module = modules.first { $0.module.place(of: fault.instruction) != nil }
    let culprit = module.map { " in \($0.facts.name) \($0.facts.version)" } ?? ""
    let reason = fault.reason == .overBudget ? RollbackReason.overBudget : .fault
    // Before the way back is open again: nobody may activate it in between.
    let source = fault.reason == .overBudget ? BreakerSource.timeBudget : .fault
    let opened = noteFailure(
      source, of: module?.facts.name, patch ?? journal.confirmed.patch, changed)
    withdraw(
      fault.generation, because: reason, detail: "fault: \(fault.reason)\(culprit)", for: fault)
    let report = FaultReport(fault, modules: modules)
    state.withLock { $0.lastFault = report }
    note("faulted", number, "\(report)", report.json)
    reportOpening(of: opened, source, number)
  }

  /// Answers for what no report tells of.
  private func answerForOthers() {
    answerForUnreported()
    answerForMigration()
  }

  /// The same for a fault of which nothing is known but that there was one, because the report before had not
  /// been read: the worker has opened the breaker all the same.
  private func answerForUnreported() {
    // What goes on opens and closes breakers itself, and leaves no candidate behind that is half withdrawn.
    let suspicion = state.wait(until: .after(.max)) { $0.suspicion }
    // A report that has come meanwhile is answered for as such: the worker wakes this thread once more.
    guard case .candidate(let transaction, let domain) = suspicion,
      !hasFault(transaction.generation, in: domain)
    else { return }
    state.withLock { state in
      state.counters.faults += 1
      state.metrics.countFault("unreported")
    }
    let opened = noteFailure(
      .fault, of: nil, transaction.patch.identity, transaction.changedModules)
    withdraw(
      transaction.generation.number, because: .fault, detail: "a fault without a report")
    reportOpening(of: opened, .fault, transaction.number)
  }

  /// Returns every worker to what was stable before `generation`, unless that has happened already; if it is in force
  /// again since, not for a `fault` of the time before that is only counted.
  func withdraw(
    _ generation: UInt64, because reason: RollbackReason, detail: String,
    for fault: GuardFault? = nil
  ) {
    state.withLock { $0.withdrawals += 1 }
    defer { state.withLock { $0.withdrawals -= 1 } }
    while true {
      // Late, but never in the middle of something else; what that is may settle it as well.
      let step = state.wait(until: .after(.max)) { $0.withdrawal(of: generation, for: fault) }
      do throws(Refusal) {
        switch step {
        case .none, .settled: return
        case .rollback(let number): try rollback(number, because: reason, detail: detail)
        case .revert: try revert(generation, because: reason, detail: detail)
        }
        return
      } catch {
        // Somebody was faster, or there is no memory for a view: look again soon.
        _ = state.wait(until: .after(Self.withdrawalPause)) { $0.isClosed ? true : nil }
      }
    }
  }

  private static let withdrawalPause: UInt64 = 1_000_000

  /// Goes back from a generation that was confirmed to the one before, here and for the next start.
  func revert(
    _ generation: UInt64, because reason: RollbackReason, detail: String
  ) throws(Refusal) {
    var problem: Refusal?
    var onTrial: Transaction?
    var (trial, given): (UInt64, UInt64) = (0, 0)
    var goal: Fallback?
    let swap = try exclusively("revert") { () throws(Refusal) in
      trial = journal.trialCount
      let (running, transaction) = state.withLock { ($0.running, $0.transaction) }
      guard let running, running.stable.number == generation, let fallback = running.fallback else {
        throw Refusal(.state, "generation \(generation) is not in force any more")
      }
      onTrial = transaction.flatMap { $0.state == .active ? $0 : nil }
      let publication = try publishRevert(to: fallback, onTrial, running)
      goal = fallback
      given = journal.confirmed.number
      problem = abandonConfirmed()
      // Within the operation: the next one may put a candidate in force that has to be watched.
      if onTrial == nil { endGuarding(in: running.domain) }
      return PublishedSwap(
        running.domain, publication, transaction?.number ?? 0, "reverted", reason, detail: detail)
    } atEnd: { state, _ in
      if let onTrial { _ = state.endTrial(of: onTrial, Self.replacedOne) }
      if let goal { state.revert(to: goal, Transaction.Ending(reason: reason, detail: detail)) }
    }
    let report = finish(swap)
    if let onTrial { finishRollback(of: onTrial, trial, by: swap, after: report) }
    // Writing that line has made the journal try again, or another set was confirmed meanwhile.
    guard let problem, journal.isInDoubt || journal.confirmed.number == given else { return }
    note("reverted", swap.transaction, "the next start comes up on what was confirmed: \(problem)")
  }

  /// Why a candidate goes with what it was to replace.
  private static let replacedOne = Transaction.Ending(
    reason: .inconclusive, detail: "what it was to replace is not in force any more")

  /// Puts what was stable before in force; a candidate that was on trial above what is given up goes with it.
  private func publishRevert(
    to fallback: Fallback, _ onTrial: Transaction?, _ running: Running
  ) throws(Refusal) -> Publication {
    guard let onTrial else { return try running.domain.publish(stable: fallback.generation) }
    var next = running
    (next.stable, next.modules, next.fallback) = (fallback.generation, fallback.modules, nil)
    let publication = try publishReturn(onTrial, next, because: .inconclusive)
    onTrial.shadow?.run.stop()
    return publication
  }

  /// Does what is left to do for a candidate whose trial has ended because of what it was to replace.
  ///
  /// Nothing is held against it: nothing was found out about it.
  private func finishRollback(
    of transaction: Transaction, _ trial: UInt64, by swap: PublishedSwap,
    after report: SwapReport
  ) {
    transaction.shadow?.run.waitUntilEnded()
    endTrial(trial)
    note(
      "rolled-back", transaction.number, Self.replacedOne.detail,
      [("reason", .string(Self.replacedOne.reason.rawValue))])
    moveBack(transaction.number, by: swap, after: report)
  }

  /// Makes the set before the confirmed one what the next start comes up on; returns why that is not written.
  ///
  /// As a start does that gives a set up: its patch may be tried again, an older one may not.
  private func abandonConfirmed() -> Refusal? {
    do throws(Refusal) {
      try giveUpConfirmed()
      // What this cannot write is clear from the set.
      try? journal.settleTrial(at: .now)
      return nil
    } catch {
      return error
    }
  }
}

extension Agent.Running {
  /// Names of the modules in which stable differs from what there is to go back to.
  var changedModules: [String] {
    modules.filter { module in fallback?.modules.contains { $0 === module } != true }
      .map(\.facts.name)
  }
}

extension Agent.State {
  /// Who may have faulted without a report.
  fileprivate enum Suspicion {
    case nobody
    case candidate(Transaction, SwapDomain)
  }

  /// The candidate, if it is in force with its breaker open and nobody but a worker can have opened that; nil where
  /// that cannot be told before the operation that goes on has ended.
  fileprivate var suspicion: Suspicion? {
    guard !isClosed, let running, let transaction, transaction.state == .active,
      transaction.generation.breaker.isOpen, !transaction.isTakenOut,
      !transaction.modules.contains(where: { protection.isDamaged($0) })
    else { return .nobody }
    return operation == nil ? .candidate(transaction, running.domain) : nil
  }

  /// What is to be done about a generation that has faulted.
  fileprivate enum Withdrawal {
    case settled
    case rollback(UInt64)
    case revert
  }

  /// What is to be done now; nil while something else is being done.
  fileprivate func withdrawal(of generation: UInt64, for fault: GuardFault?) -> Withdrawal? {
    if isClosed { return .settled }
    guard operation == nil else { return nil }
    if fault?.isOlder(than: firstView(of: generation)) == true { return .settled }
    if let transaction, transaction.state == .active, transaction.generation.number == generation {
      return .rollback(transaction.number)
    }
    guard let running, running.stable.number == generation, running.fallback != nil else {
      return .settled
    }
    return .revert
  }

  /// The first view whose faults are held against `generation`.
  ///
  /// Where failures are only counted it may be in force again before a report of the time before is read. A breaker
  /// that opens by such a report takes it out.
  fileprivate func firstView(of generation: UInt64) -> UInt64 {
    guard let transaction, transaction.generation.number == generation,
      transaction.changedModules.allSatisfy({ protection.rules(of: $0).isMetricsOnly })
    else { return 0 }
    return transaction.since
  }

  /// Notes a fault; returns the transaction that has made its generation, the modules of that, its patch, as far as it
  /// is known here, and the names of the modules that this changes.
  fileprivate mutating func guarded(
    _ fault: GuardFault
  ) -> (UInt64, [StagedModule], BreakerPatch?, [String]) {
    let generation = fault.generation
    if let transaction, transaction.generation.number == generation {
      if !fault.isOlder(than: firstView(of: generation)) { self.transaction?.faults += 1 }
      return (
        transaction.number, transaction.modules, transaction.patch.identity,
        transaction.changedModules
      )
    }
    if let left = running?.left, left.generation.number == generation {
      return (0, left.modules, nil, [])
    }
    guard let running, running.stable.number == generation else { return (0, [], nil, []) }
    return (0, running.modules, nil, running.changedModules)
  }

  /// The stable generation was the wrong one.
  fileprivate mutating func revert(to fallback: Agent.Fallback, _ ending: Transaction.Ending) {
    counters.rollbacks += 1
    guard let running else { return }
    metrics.countRollback(of: running.changedModules, ending.reason)
    if let transaction, transaction.generation === running.stable {
      // It may be activated again, until something else is installed.
      self.transaction?.state = .rolledBack
      self.transaction?.ending = ending
    } else {
      self.running?.retired.append(running.stable)
    }
    self.running?.retired.removeAll { $0 === fallback.generation }
    self.running?.left = Agent.Fallback(generation: running.stable, modules: running.modules)
    self.running?.stable = fallback.generation
    self.running?.modules = fallback.modules
    self.running?.fallback = nil
  }
}

extension Agent {
  /// What the guard does and has seen, for `list`.
  func guardListing(_ domain: SwapDomain?) -> CBOR {
    let (faults, last) = state.withLock { ($0.counters.faults, $0.lastFault) }
    let guards = domain?.room?.all ?? []
    return .named([
      "mode": .text(options.guarding.mode.name),
      "budget_ns": .unsigned(options.guarding.batchBudget),
      "watchdog": .text(domain?.room?.scheduling ?? "not started yet"),
      "faults": .unsigned(faults),
      "expirations": .unsigned(guards.reduce(0) { $0 + $1.expirations }),
      "unreported": .unsigned(guards.reduce(0) { $0 + $1.unreported }),
      "signals": .unsigned(guards.reduce(0) { $0 + $1.signals }),
      "last_fault": last?.cbor ?? .null,
    ])
  }

  /// What `doctor` says about the guard.
  func guardFinding() throws(Refusal) -> String {
    let guarding = options.guarding
    guard guarding.mode != .off else { return "off: a candidate's fault is the host's" }
    let room = try domain().room
    try room?.refreshHandlers()
    let priority = room.map { $0.expectedScheduling() } ?? ""
    return "\(guarding.mode.name), \(guarding.batchBudget / 1000) µs per batch, "
      + "signal \(guarding.signal), watchdog at \(priority)"
  }

  /// The last fault there was; nil when there was none.
  package var lastFault: FaultReport? { state.withLock { $0.lastFault } }

  /// How often the watchdog has signalled workers that were late.
  package var lateSignals: UInt64 {
    (try? domain())?.room?.all.reduce(0) { $0 + $1.signals } ?? 0
  }

  /// Views that workers have left by themselves because the deadline had passed.
  package var expirations: UInt64 {
    (try? domain())?.room?.all.reduce(0) { $0 + $1.expirations } ?? 0
  }
}
