internal import AgentControl
internal import Bytes
internal import Guard
package import HotSwap
internal import Platform
internal import Probation
internal import Refusal
internal import Verification

/// Records that change their layout with a candidate: forward while it is on trial, back when it is not stable in
/// the end. docs/concurrency.md argues the order of the steps.
extension Agent {
  /// Up to so many records go over as soon as all flows are the candidate's; more are moved when they are needed.
  package static let eagerRecordLimit: UInt64 = 65_536

  /// Where a migration stands.
  enum MigrationPhase: String, Sendable {
    case forward
    case finishing
    case back
  }

  /// A migration that has begun and is not over.
  struct ActiveMigration: Sendable {
    let transaction: UInt64
    let migration: Migration
    let eagerLimit: UInt64
    var phase = MigrationPhase.forward
    /// The view by which records go back, once there is one.
    var wayBack: Publication?
    /// Whether every worker has it.
    var isBackSafe = false
  }

  /// How long records may take that batches are using, or that are very many.
  static let sweepLimit: UInt64 = 10_000_000_000

  /// Throws unless `plan` moves whole flows: no record may be served by both versions.
  func check(_ plan: RolloutPlan?, moving changes: [Migration.Change]) throws(Refusal) {
    guard let plan, !changes.isEmpty, plan.kind != .flows else { return }
    let isWhole = plan.steps.allSatisfy { $0.isNothing || $0.isEverything }
    guard !isWhole else { return }
    throw Refusal(
      .unsupported, "a patch that migrates records is tried out by flow only",
      expected: "canary flows", found: "canary \(plan.kind.name)",
      hint: "for example '--canary flows:1%': one record is never served by both versions")
  }

  /// Throws when copies would be run on records of another layout than the candidate's.
  func check(_ shadow: ShadowPlan?, moving changes: [Migration.Change]) throws(Refusal) {
    guard shadow != nil, !changes.isEmpty else { return }
    throw Refusal(
      .unsupported, "a patch that migrates records cannot be compared on copies",
      hint: "leave '--shadow' out; its canary is by flow")
  }

  /// Tells workers of the candidate's schemas, before it gets any flow.
  ///
  /// From here on batches leave a mark on the records that they use. Only when every worker does may one be moved:
  /// so this waits for a grace period, with nothing of the candidate's in force.
  func beginMigration(
    _ transaction: Transaction, eagerLimit: UInt64?, _ running: Running
  ) throws(Refusal) {
    guard !transaction.changes.isEmpty else { return }
    let domain = running.domain
    // Also where batches are not guarded: hooks may fail without a fault.
    if let room = domain.room { try beginAnswering(in: room) }
    let migration = try domain.prepareMigration(transaction.changes, to: transaction.generation)
    let publication = try domain.publish(
      stable: running.stable, candidate: transaction.generation, placement: .flows(0),
      states: migration.forward)
    guard case .passed = domain.waitForGrace(publication, timeout: options.graceTimeout) else {
      // Nothing was moved, and nothing will be: what the late worker may read stays.
      _ = try publish(
        stable: running.stable, above: running.fallback, in: domain, states: migration.settledOld)
      throw Refusal(
        .busy, "a worker has not taken up its view in time: no record can be moved safely",
        hint: "'hitless agent list' names the workers; try again when they run")
    }
    state.withLock {
      $0.migration = ActiveMigration(
        transaction: transaction.number, migration: migration,
        eagerLimit: eagerLimit ?? Self.eagerRecordLimit)
    }
    note(
      "migrating", transaction.number, "\(migration.recordCount) records, by flow",
      [("records", .unsigned(migration.recordCount))])
  }

  /// Nothing was put in force after all.
  func abandonMigration(_ running: Running) {
    guard let active = state.withLock({ $0.migration }) else { return }
    _ = try? publish(
      stable: running.stable, above: running.fallback, in: running.domain,
      states: active.migration.settledOld)
    state.withLock { $0.migration = nil }
  }

  /// Moves what there is, when all flows are the candidate's and records are few.
  ///
  /// Not within an operation: batches may use a record for long, and whoever wants to roll back, or to confirm, does
  /// not wait for that. A way back, and a freeze, ends it (`halt`), and so does a confirmation, which moves what is
  /// left itself and can be interrupted, and the next look of the timer, which may be the one that calls this.
  func moveEagerly(_ number: UInt64) {
    let found = state.withLock { state -> (ActiveMigration, SwapDomain)? in
      guard let transaction = state.transaction, transaction.number == number,
        transaction.state == .active, transaction.rollout?.isLastStep ?? true,
        let active = state.migration, active.transaction == number, active.phase == .forward,
        let domain = state.running?.domain, !state.isClosed,
        active.migration.recordCount <= active.eagerLimit
      else { return nil }
      state.sweeps += 1
      return (active, domain)
    }
    guard let (active, domain) = found else { return }
    defer { state.withLock { $0.sweeps -= 1 } }
    // When the next look is due may change meanwhile: of a candidate that was found unhealthy it is due at once.
    _ = domain.sweep(active.migration, to: .candidate, until: .after(Self.sweepLimit)) {
      let (isConfirming, due) = state.withLock { ($0.operation == "confirm", $0.due?.time) }
      return isConfirming || Deadline.at(due ?? .max).hasPassed
    }
    // A record that could not be moved is answered for by the thread that answers for faults.
    if active.migration.failure != nil { domain.room?.ringForAnswer() }
  }

  /// Moves all that is left, and makes every worker serve the candidate's schema only.
  ///
  /// Until the confirmation is on the device `unfinish` takes it back.
  func finishMigration(_ transaction: Transaction, _ running: Running) throws(Refusal) {
    guard let active = state.withLock({ $0.migration }) else { return }
    let (domain, migration) = (running.domain, active.migration)
    let end = min(transaction.confirmBy ?? .max, MonotonicClock.now &+ Self.sweepLimit)
    let missing = domain.sweep(migration, to: .candidate, until: .at(end)) {
      hasFault(transaction.generation, in: domain) || isUnwanted
    }
    if let (table, failure) = migration.failure {
      domain.room?.ringForAnswer()
      throw Refusal(
        .health, "record \(failure.record) of '\(table)' cannot be migrated",
        found: failure.cause, hint: "it is being rolled back")
    }
    guard missing == 0 else {
      try requireUnfrozen(transaction.changedModules)
      throw Refusal(
        .busy, "\(missing) records are still in stable's layout", hint: nextStep(after: migration))
    }
    // Who has frozen the agent meanwhile has closed the way forward: it is not to be the only one now.
    try requireUnfrozen(transaction.changedModules)
    let publication = try domain.publish(
      stable: transaction.generation, states: migration.finishing)
    let outcome = domain.waitForGrace(publication, timeout: options.graceTimeout)
    // A fault of the last moment has taken records back to stable.
    let isFaulty = hasFault(transaction.generation, in: domain)
    if case .passed = outcome, !isFaulty,
      migration.missingCount(from: .candidate) == 0
    {
      state.withLock { $0.migration?.phase = .finishing }
      return
    }
    try unfinish(transaction, running)
    throw Refusal(
      .busy, "not every worker is ready to serve records in the candidate's layout only",
      hint: nextStep(after: migration))
  }

  /// Ends a confirmation of `number` that waits for records, and waits until that is over.
  ///
  /// One that has them all goes on: what is being written down stays.
  func interruptConfirmation(of number: UInt64) {
    let isConfirming = state.withLock { state -> Bool in
      guard state.operation == "confirm", state.transaction?.number == number,
        state.migration?.phase == .forward
      else { return false }
      state.interrupters += 1
      return true
    }
    guard isConfirming else { return }
    _ = state.wait(until: .after(Self.sweepLimit)) { $0.operation != "confirm" ? true : nil }
    state.withLock { $0.interrupters -= 1 }
  }

  /// Whether somebody waits for the end of a confirmation that waits for records.
  private var isUnwanted: Bool { state.withLock { $0.interrupters > 0 } }

  /// What is to be done when not all records could be moved: halted once, none goes forward any more.
  private func nextStep(after migration: Migration) -> String {
    if isUnwanted { return "somebody has asked for a rollback meanwhile" }
    return migration.isHalted
      ? "roll it back: no record goes forward any more" : "confirm it once more"
  }

  /// The candidate is on trial again.
  func unfinish(_ transaction: Transaction, _ running: Running) throws(Refusal) {
    guard let active = state.withLock({ $0.migration }) else { return }
    let publication = try running.domain.publish(
      stable: running.stable, candidate: transaction.generation, placement: .everywhere,
      deadline: transaction.confirmBy ?? 0, states: active.migration.forward)
    _ = running.domain.waitForGrace(publication, timeout: options.graceTimeout)
    state.withLock { $0.migration?.phase = .forward }
  }

  /// Puts stable in force again: alone, or, where records have to follow, with the candidate named, whose hook
  /// moves them.
  ///
  /// When that fails the way forward stays closed, unless nothing is held against the candidate: it is tried again.
  func publishReturn(
    _ transaction: Transaction, _ running: Running, because reason: RollbackReason
  ) throws(Refusal) -> Publication {
    guard let active = state.withLock({ $0.migration }),
      active.transaction == transaction.number
    else {
      let publication = try publish(
        stable: running.stable, above: running.fallback, in: running.domain)
      endGuarding(in: running.domain)
      return publication
    }
    let wasHalted = active.migration.isHalted
    active.migration.halt()
    let publication: Publication
    do throws(Refusal) {
      publication = try running.domain.publish(
        stable: running.stable, candidate: transaction.generation, placement: .flows(0),
        states: active.migration.back)
    } catch {
      let isUnblamed =
        reason == .asked && !wasHalted && !hasFault(transaction.generation, in: running.domain)
      state.withLock { state in
        // The trial goes on, unless somebody else has closed the way as well.
        let isDamaged = transaction.modules.contains { state.protection.isDamaged($0) }
        if isUnblamed && !isDamaged && !state.isClosed && state.transaction?.isTakenOut != true {
          active.migration.resume()
        }
      }
      throw error
    }
    state.withLock { state in
      state.migration?.phase = .back
      state.migration?.wayBack = publication
      state.migration?.isBackSafe = false
    }
    return publication
  }

  /// Moves every record back that the candidate has had, and then forgets the migration.
  ///
  /// `swap` is the way back, and `report` its: as long as a worker may not have taken it up, records may go forward.
  func moveBack(_ number: UInt64, by swap: PublishedSwap, after report: SwapReport) {
    if report.graceNanoseconds != nil {
      state.withLock { state in
        // Somebody may have settled it, and begun another, since the grace period was over.
        guard state.migration?.wayBack?.sequence == swap.publication.sequence else { return }
        state.migration?.isBackSafe = true
      }
      guard !settleBack() else { return }
    }
    // A worker that is late has no records to keep from anybody where none have moved.
    guard state.withLock({ $0.migration?.phase == .back }) else { return }
    note(
      "overdue", number,
      "not all records are back in stable's layout; they are moved as they are needed")
  }

  /// Does what is left to do of a migration's way back; returns whether it is over.
  ///
  /// One thread at a time, so that nobody settles what has been settled, and begun anew, meanwhile. Records are moved
  /// beside whatever operation there is; their end is an operation of its own, unless this is called within one.
  func settleBack(isOperation: Bool = false) -> Bool {
    let isOpen = state.withLock { state -> Bool in
      if !state.isClosed { state.sweeps += 1 }
      return !state.isClosed
    }
    guard isOpen else { return false }
    defer { state.withLock { $0.sweeps -= 1 } }
    while true {
      // Who waits for an operation does not keep records from it: it may be waiting for them.
      switch migrationWriter.withLock({ _ in settleBackAlone(isOperation: isOperation) }) {
      case .over: return true
      case .left: return false
      case .hindered(let migration):
        // That one may settle it itself, and begin another.
        let isSettled = state.wait(until: .after(.max)) { state -> Bool? in
          if state.migration?.migration !== migration { return true }
          return state.operation == nil || state.isClosed ? false : nil
        }
        if isSettled == true { return true }
        if state.withLock({ $0.isClosed }) { return false }
      }
    }
  }

  /// How far a way back is.
  private enum WayBack {
    case over
    /// Records are left, or there is no memory for a view.
    case left
    /// No record of it is left, and something else is being done with views.
    case hindered(Migration)
  }

  private func settleBackAlone(isOperation: Bool) -> WayBack {
    guard
      let (active, domain) = state.withLock({ state in
        state.migration.flatMap { active in state.running.map { (active, $0.domain) } }
      }), active.phase == .back
    else { return state.withLock { $0.migration == nil } ? .over : .left }
    let migration = active.migration
    guard isBackSafe(active, in: domain),
      domain.sweep(migration, to: .stable, until: .after(Self.sweepLimit)) == 0,
      migration.missingCount(from: .stable) == 0
    else { return .left }
    // From here on stable stays what it is: a revert in between would be undone by this view.
    if !isOperation {
      let isFree = state.withLock { state -> Bool in
        guard state.operation == nil, !state.isClosed else { return false }
        state.operation = "settle"
        return true
      }
      guard isFree else { return .hindered(migration) }
    }
    let publication = publishSettled(migration, in: domain)
    if !isOperation { state.withLock { $0.operation = nil } }
    guard let publication else { return .left }
    _ = domain.waitForGrace(publication, timeout: options.graceTimeout)
    endMigration(migration)
    let counts = migration.counts
    note(
      "migrated-back", active.transaction,
      "\(counts.back) records are back in stable's layout"
        + (counts.kept > 0 ? ", \(counts.kept) as they were before the trial" : ""),
      [("back", .unsigned(counts.back)), ("kept", .unsigned(counts.kept))])
    return .over
  }

  /// Puts what is stable now in force with records of its layout only; nil where there is no memory for a view.
  private func publishSettled(_ migration: Migration, in domain: SwapDomain) -> Publication? {
    let running = state.withLock { $0.running }
    guard let running,
      let publication = try? publish(
        stable: running.stable, above: running.fallback, in: domain, states: migration.settledOld)
    else { return nil }
    // Within the operation: the next one may put a candidate in force that has to be watched.
    endGuarding(in: domain)
    return publication
  }

  /// Whether no worker moves records forward any more; waits for those that were late when stable came back.
  private func isBackSafe(_ active: ActiveMigration, in domain: SwapDomain) -> Bool {
    if active.isBackSafe { return true }
    guard let wayBack = active.wayBack,
      case .passed = domain.waitForGrace(wayBack, timeout: options.graceTimeout)
    else { return false }
    state.withLock { $0.migration?.isBackSafe = true }
    return true
  }

  func endMigration(_ migration: Migration) {
    state.withLock { state in
      guard state.migration?.migration === migration else { return }
      state.metrics.migrated = state.metrics.migrated + migration.counts
      state.migration = nil
    }
  }

  /// Throws while records are on their way from an earlier candidate.
  func requireNoMigration() throws(Refusal) {
    guard !settleBack(isOperation: true) else { return }
    throw Refusal(
      .busy, "records of an earlier candidate are still on their way back",
      hint: "'hitless agent list' shows how many; try again")
  }

  /// Takes a candidate out of force whose hook has failed on the way forward.
  func answerForMigration() {
    let found = state.withLock { state -> (Transaction, Migration)? in
      guard let transaction = state.transaction, transaction.state == .active,
        let active = state.migration, active.phase == .forward
      else { return nil }
      return (transaction, active.migration)
    }
    guard let (transaction, migration) = found, let (table, failure) = migration.failure else {
      return
    }
    withdraw(
      transaction.generation.number, because: .migration,
      detail: "record \(failure.record) of '\(table)': migrate \(failure.cause)")
  }
}

extension MigrationFailure {
  /// What the hook has done, for people.
  var cause: String {
    switch signal {
    case 0: "has returned \(status)"
    case -1: "has faulted"
    case GuardOptions().signal: "was over its time budget"
    default: "has faulted (signal \(signal)) at 0x\(String(instruction, radix: 16))"
    }
  }
}

extension Agent {
  /// How far a migration is, for `list`.
  func migrationListing() -> CBOR? {
    guard let active = state.withLock({ $0.migration }) else { return nil }
    let counts = active.migration.counts
    return .named([
      "transaction": .unsigned(active.transaction), "phase": .text(active.phase.rawValue),
      "records": .unsigned(active.migration.recordCount), "forward": .unsigned(counts.forward),
      "back": .unsigned(counts.back), "kept": .unsigned(counts.kept),
      "failures": .unsigned(counts.failures),
    ])
  }

  /// What has become of records in all migrations, the one under way included.
  package var migrationCounts: MigrationCounts {
    state.withLock { state in
      state.metrics.migrated + (state.migration?.migration.counts ?? MigrationCounts())
    }
  }

  /// Whether records are on their way.
  package var isMigrating: Bool { state.withLock { $0.migration != nil } }
}
