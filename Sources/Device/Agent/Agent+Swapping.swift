internal import Bytes
internal import Digests
internal import HotSwap
internal import Journal
internal import PatchFormat
internal import Platform
package import Probation
package import Refusal
internal import Staging
internal import Verification

extension Agent {
  /// Puts the staged candidate in force: for every worker at once, or as `plan` says; with `shadow`, not before it
  /// has equalled stable on copies of live batches.
  ///
  /// A worker that has not passed at the deadline is named in the report and in an event; it goes on
  /// with what it has, which stays mapped. A rolled-back candidate may be activated again.
  package func activate(
    _ number: UInt64, _ plan: RolloutPlan? = nil, shadow: ShadowPlan? = nil,
    eagerRecords: UInt64? = nil
  ) throws(Refusal) -> SwapReport {
    let swap = try exclusively("activate", number) { () throws(Refusal) in
      try check(plan)
      let (running, transaction) = try current(number, in: [.staged, .rolledBack])
      // A copy of the last time may still be run: it could open the breaker that is closed for this time.
      transaction.shadow?.run.waitUntilEnded()
      try check(plan, moving: transaction.changes)
      try requireNoMigration()
      let isProbe = try admit(transaction)
      try check(shadow, moving: transaction.changes)
      let prepared = try shadow.map { (shadow) throws(Refusal) in
        try prepareShadow(shadow, then: plan, isProbe: isProbe, transaction, in: running)
      }
      do throws(Refusal) {
        return try activate(
          transaction, plan, prepared, isProbe: isProbe, eagerRecords: eagerRecords, in: running)
      } catch {
        prepared?.run.stop()
        prepared?.run.waitUntilEnded()
        let isMoving = state.withLock { state in
          state.transaction?.shadow?.isOver = true
          return state.migration != nil
        }
        if !isMoving { endGuarding(in: running.domain) }
        throw error
      }
    }
    let report = finish(swap)
    moveEagerly(number)
    return report
  }

  /// Puts the candidate in force, or only in shadow.
  private func activate(
    _ transaction: Transaction, _ plan: RolloutPlan?, _ shadow: Shadow?, isProbe: Bool,
    eagerRecords: UInt64?, in running: Running
  ) throws(Refusal) -> PublishedSwap {
    let number = transaction.number
    try record("activating", number, "generation \(transaction.generation.number)")
    try journal.beginTrial(transaction.trial)
    let (publication, rollout) = try onTrial { () throws(Refusal) in
      try beginGuarding(in: running.domain)
      if plan != nil || shadow != nil || options.confirmBy != nil { try startTimer() }
      announce(transaction.generation, in: running.domain)
      let next = running.domain.nextSequence
      state.withLock { state in
        state.transaction?.shadow = shadow
        // Both at once: a report of the time before may be read here, before there is a view.
        state.transaction?.faults = 0
        state.transaction?.since = next
        // Who closes the agent may have looked before it was there to be stopped.
        if state.isClosed { shadow?.run.stop() }
      }
      guard let shadow else {
        return try begin(
          transaction, plan, isProbe: isProbe, eagerRecords: eagerRecords, in: running)
      }
      prepareBreaker(of: transaction, isProbe: false)
      let publication = try running.domain.publish(
        stable: running.stable, candidate: transaction.generation, placement: .nowhere,
        shadow: shadow.run.area)
      state.withLock { state in
        state.transaction?.state = .active
        state.transaction?.ending = nil
        state.transaction?.confirmBy = nil
        state.transaction?.rollout = nil
      }
      return (publication, nil)
    }
    state.withLock { $0.counters.activations += 1 }
    return PublishedSwap(
      running.domain, publication, number, "activated",
      detail: shadow.map { "in shadow, \($0.plan.shareText) of batches" } ?? rollout?.stepText)
  }

  /// Gives the candidate its first traffic: all of it, or the first step of a plan.
  func begin(
    _ transaction: Transaction, _ plan: RolloutPlan?, isProbe: Bool, eagerRecords: UInt64? = nil,
    in running: Running
  ) throws(Refusal) -> (publication: Publication, rollout: Rollout?) {
    let rollout = plan.map { Rollout($0, reading(running.domain)) }
    let confirmBy = rollout?.confirmBy ?? options.confirmBy
    prepareBreaker(of: transaction, isProbe: isProbe)
    try beginSideAreas(transaction, running)
    try beginMigration(transaction, eagerLimit: eagerRecords, running)
    let publication: Publication
    do throws(Refusal) {
      try requireUnfrozen(transaction.changedModules)
      // Guarded workers keep the deadline themselves: an agent that gets no processor cannot.
      publication = try running.domain.publish(
        stable: running.stable, candidate: transaction.generation,
        placement: plan.map { placement($0, step: 0, in: running.domain) } ?? .everywhere,
        deadline: confirmBy ?? 0)
    } catch {
      abandonMigration(running)
      throw error
    }
    state.withLock { state in
      state.transaction?.state = .active
      state.transaction?.ending = nil
      state.transaction?.confirmBy = confirmBy
      state.transaction?.rollout = rollout
      if isProbe { state.protection.breakers.probe(transaction.patch.identity) }
      // Who has frozen the agent since saw nothing in force.
      if state.protection.isFrozen(transaction.changedModules) { state.takeCandidateOut() }
    }
    if isProbe { beginProbe(transaction) }
    return (publication, rollout)
  }

  /// Returns every worker to stable, or drops what is only staged; needs no file and no memory.
  ///
  /// Who asks once more, because the first answer was lost, gets the same: what is rolled back stays so.
  @discardableResult
  package func rollback(
    _ number: UInt64, because reason: RollbackReason = .asked, detail: String = "asked for"
  ) throws(Refusal) -> SwapReport {
    var trial: UInt64 = 0
    var opened: [BreakerTable.Key] = []
    let ending = Transaction.Ending(reason: reason, detail: detail)
    interruptConfirmation(of: number)
    if hasCome(number, to: .rolledBack) { return .repeated }
    let swap = try exclusively("rollback", number) { () throws(Refusal) -> PublishedSwap? in
      trial = journal.trialCount
      let (running, transaction) = try current(number, in: [.staged, .active])
      guard transaction.state == .active else { return nil }
      let publication = try publishReturn(transaction, running, because: reason)
      transaction.shadow?.run.stop()
      return PublishedSwap(
        running.domain, publication, number, "rolled-back", reason, detail: detail)
    } atEnd: { state, swap in
      if swap != nil, let transaction = state.transaction {
        opened = state.endTrial(of: transaction, ending)
      } else {
        state.transaction?.state = .rolledBack
        state.transaction?.ending = ending
        state.metrics.count(.dropped)
      }
    }
    if let swap {
      // No worker waits for the disk to go back, and no grace period looks longer by it.
      defer {
        state.withLock { $0.transaction?.shadow?.run }?.waitUntilEnded()
        endTrial(trial)
        if let source = reason.source { reportOpening(of: opened, source, number) }
      }
      let report = finish(swap)
      moveBack(number, by: swap, after: report)
      return report
    }
    note("rolled-back", number, detail, [("reason", .string(reason.rawValue))])
    return .nothing
  }

  /// Whether that is the newest transaction, and it stands there, with nobody about to change that.
  ///
  /// One that is being activated again, or exercised, says 'rolled-back' until it has a view.
  private func hasCome(_ number: UInt64, to goal: TransactionState) -> Bool {
    state.withLock { state in
      state.operation == nil && state.transaction?.number == number
        && state.transaction?.state == goal
    }
  }

  /// Makes the active candidate stable: first on the device, for the next start, then here.
  ///
  /// Who asks once more, because the first answer was lost, gets the same.
  @discardableResult
  package func confirm(_ number: UInt64) throws(Refusal) -> SwapReport {
    try confirm(number, asked: true)
  }

  /// The same for a rollout that confirms by itself, whose health has been decided about already.
  @discardableResult
  func confirm(_ number: UInt64, asked: Bool) throws(Refusal) -> SwapReport {
    if hasCome(number, to: .confirmed) { return .repeated }
    var health: String?
    var hasFaulted = false
    var fallback: Fallback?
    let swap = try exclusively("confirm", number) { () throws(Refusal) -> PublishedSwap? in
      let (running, transaction) = try current(number, in: [.active])
      if let confirmBy = transaction.confirmBy, Deadline.at(confirmBy).hasPassed {
        throw Refusal(
          .state, "the time to confirm transaction \(number) is over",
          hint: "it is rolled back; activate it again, and confirm it in time")
      }
      try requireUnfrozen(transaction.changedModules)
      try requireNoShadow(transaction)
      try requireNoFault(transaction, in: running.domain)
      try requireClosed(transaction)
      health = asked ? try requireLastStep(transaction) : "healthy"
      let migration = try confirmRecords(transaction, running)
      // Objects of sets before the last; what cannot be removed now goes next time.
      _ = try? journal.collect(keeping: Set(running.modules.map(\.image.digest)))
      fallback =
        migration != nil ? nil : Fallback(generation: running.stable, modules: running.modules)
      // Workers use the candidate already. From here on it is what they fall back to as well: for them
      // a new view, which they get even if there should be no memory for it now. If one has faulted
      // meanwhile they keep the one they have, and whoever answers for the fault takes the candidate back.
      let publication =
        hasFault(transaction.generation, in: running.domain)
        ? nil
        : try? publish(
          stable: transaction.generation, above: fallback, in: running.domain,
          states: migration?.settledNew)
      if publication != nil {
        endGuarding(in: running.domain)
      } else if let migration {
        running.domain.keep(migration.settledNew)
      }
      hasFaulted = hasFault(transaction.generation, in: running.domain)
      return publication.map {
        PublishedSwap(running.domain, $0, number, "confirmed", detail: health)
      }
    } atEnd: { state, _ in
      state.makeStable(hasFaulted: hasFaulted, above: fallback)
    }
    defer { releaseOldGenerations() }
    if let swap { return finish(swap) }
    note("confirmed", number, "without a new view: workers learn of it with the next swap")
    return SwapReport(publishNanoseconds: 0, graceNanoseconds: nil, overdue: [])
  }

  /// Writes the confirmation down, between the last record's move and the end of its old layout.
  ///
  /// Returns what has moved: there is no way back from it, because what was stable cannot read the records.
  private func confirmRecords(
    _ transaction: Transaction, _ running: Running
  ) throws(Refusal) -> Migration? {
    try finishMigration(transaction, running)
    do throws(Refusal) {
      // Last of all: who has frozen the agent meanwhile waits for this to end, and gets the candidate out.
      try requireUnfrozen(transaction.changedModules)
      try persist(transaction)
    } catch {
      try unfinish(transaction, running)
      throw error
    }
    guard let migration = state.withLock({ $0.migration?.migration }) else { return nil }
    endMigration(migration)
    note(
      "migrated", transaction.number, "\(migration.recordCount) records have their new layout",
      [("records", .unsigned(migration.recordCount))])
    return migration
  }

  /// Lets workers fetch the code of `generation` before it is in force; without success the swap only
  /// takes them longer.
  func announce(_ generation: Generation, in domain: SwapDomain) {
    _ = try? domain.announce(generation, timeout: Self.announcementLimit)
  }

  /// How long an activation waits for workers to fetch code: far longer than busy workers need, far
  /// shorter than anybody notices.
  private static let announcementLimit: UInt64 = 5_000_000

  /// Makes these modules what the next start comes up on; on failure the store is as it was.
  private func persist(_ transaction: Transaction) throws(Refusal) {
    let before = try journal.objects()
    do throws(Refusal) {
      var set = journal.confirmed
      for module in transaction.modules {
        try journal.store(try module.bytes(), digest: module.image.digest)
        set.modules[module.slot] = module.image.digest
      }
      set.accepted.merge(transaction.patch.accepted) { _, new in new }
      set.patch = transaction.patch.identity
      try journal.confirm(set)
    } catch {
      _ = try? journal.collect(keeping: before)
      throw error
    }
    // What this cannot write is clear from the set: the next start finds another one than the run began on.
    try? journal.settleTrial(at: .now)
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
        let ending = transaction.state == .rolledBack ? transaction.ending : nil
        throw Refusal(
          .state, "transaction \(number) is \(transaction.state.name)",
          expected: states.map(\.name).joined(separator: " or "),
          hint: ending.map { "it was rolled back because of '\($0.reason.rawValue)': \($0.detail)" }
        )
      }
      return (running, transaction)
    }
  }

  /// Waits for the grace period of a swap and writes down what it did.
  ///
  /// No operation is under way meanwhile: whoever wants to roll back need not wait for a worker that is
  /// late.
  func finish(_ swap: PublishedSwap) -> SwapReport {
    let published = swap.publication.publishNanoseconds
    let report: SwapReport
    switch swap.domain.waitForGrace(swap.publication, timeout: options.graceTimeout) {
    case .passed(let grace):
      report = SwapReport(
        publishNanoseconds: published, graceNanoseconds: grace.nanoseconds, overdue: [])
    case .overdue(let workers):
      report = SwapReport(publishNanoseconds: published, graceNanoseconds: nil, overdue: workers)
      for worker in workers {
        note("overdue", swap.transaction, "\(worker); what it may use stays mapped")
      }
    }
    noteEndedWorkers(of: swap.domain, swap.transaction)
    state.withLock { state in
      state.lastSwap = report
      state.metrics.add(
        report, sequence: swap.publication.sequence, at: swap.publication.startNanoseconds)
    }
    note(
      swap.kind, swap.transaction,
      (swap.detail.map { "\($0): " } ?? "")
        + "view \(swap.publication.sequence), published in \(published) ns, grace period "
        + (report.graceNanoseconds.map { "\($0) ns" } ?? "not over"),
      [
        ("publish_ns", .unsigned(published)),
        ("grace_ns", report.graceNanoseconds.map { .unsigned($0) } ?? .null),
      ] + (swap.reason.map { [("reason", .string($0.rawValue))] } ?? []))
    return report
  }

  /// Names the workers that a grace period has not waited for because their threads had ended.
  private func noteEndedWorkers(of domain: SwapDomain, _ transaction: UInt64) {
    for worker in domain.takeEndedWorkers() {
      note("worker-ended", transaction, "\(worker); what it has used is held no longer")
    }
  }

  /// Lets go of the oldest generations beyond those that stay mapped, as far as no worker may use them.
  func releaseOldGenerations() {
    guard let domain = state.withLock({ $0.running?.domain }) else { return }
    let old = state.withLock { state -> [Generation] in
      guard let running = state.running, running.retired.count > Self.keptGenerations else {
        return []
      }
      // What there is to go back to stays, however many candidates have come and gone since.
      return running.retired.dropLast(Self.keptGenerations)
        .filter { $0 !== running.fallback?.generation }
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
    let text = "\(module.name) \(module.version), build-id \(module.buildID.hex)"
    do throws(Refusal) {
      try domain.unload(module)
      note("unmapped", 0, text)
    } catch {
      // Another generation has it, too, and it is unmapped with that.
      guard error.kind != .state else { return }
      note("stays-mapped", 0, "\(text): \(error)")
    }
  }
}

extension Agent.State {
  /// The candidate is what everybody has from now on, with `fallback` to go back to.
  fileprivate mutating func makeStable(hasFaulted: Bool, above fallback: Agent.Fallback?) {
    guard let transaction, let running else { return }
    // Who has frozen the agent after it was written down came too late for this candidate, which is stable now;
    // a fault, and memory that has changed, are not too late.
    let isDamaged = transaction.modules.contains { protection.isDamaged($0) }
    if !hasFaulted && !isDamaged { transaction.generation.breaker.close() }
    self.transaction?.state = .confirmed
    self.transaction?.confirmBy = nil
    counters.confirmations += 1
    metrics.count(.confirmed)
    self.running?.retired.append(running.stable)
    self.running?.stable = transaction.generation
    self.running?.modules = transaction.modules
    self.running?.fallback = fallback
  }
}

/// A view that was put in force, and what for; its grace period is not over yet.
struct PublishedSwap {
  let domain: SwapDomain
  let publication: Publication
  let transaction: UInt64
  let kind: String
  let reason: RollbackReason?
  let detail: String?

  init(
    _ domain: SwapDomain, _ publication: Publication, _ transaction: UInt64, _ kind: String,
    _ reason: RollbackReason? = nil, detail: String? = nil
  ) {
    self.domain = domain
    self.publication = publication
    self.transaction = transaction
    self.kind = kind
    self.reason = reason
    self.detail = detail
  }
}
