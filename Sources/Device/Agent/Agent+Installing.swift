internal import Bytes
internal import Digests
internal import ElfImage
internal import HotSwap
internal import Journal
internal import PatchFormat
internal import Platform
package import Refusal
internal import Staging
internal import Verification

extension Agent {
  /// Verifies and stages a patch; returns the number of its transaction.
  ///
  /// No worker can see it yet. Busy while an earlier transaction is staged or active. A refusal leaves everything as it was: the
  /// modules, the confirmed set, the object store and the trusted state.
  package func install(patch bytes: [UInt8]) throws(Refusal) -> UInt64 {
    try exclusively("install") { () throws(Refusal) in
      let begin = MonotonicClock.now
      let running = try readyForInstall()
      try requireNoMigration()
      // Copies may still be run on what is let go of now.
      state.withLock({ $0.transaction?.shadow?.run })?.waitUntilEnded()
      let patch = try verify(bytes, running)
      let verified = MonotonicClock.now
      try requireUnfrozen(patch.manifest.components.map(\.module))
      try requireNoQuarantine(patch.identity)
      let modules = try stageAll(patch, running)
      let (generation, changes) = try generation(of: modules, running)
      let nanoseconds = MonotonicClock.now - begin
      let number = state.withLock { state in
        // A rolled-back candidate could be tried again until now.
        if let old = state.transaction, old.state == .rolledBack {
          state.running?.retired.append(old.generation)
        }
        state.metrics.verify.add(verified - begin)
        state.metrics.stage.add(nanoseconds)
        state.transactionCount += 1
        state.transaction = Transaction(
          number: state.transactionCount, patch: patch, modules: modules, generation: generation,
          changes: changes, stageNanoseconds: nanoseconds)
        return state.transactionCount
      }
      releaseOldGenerations()
      note(
        "staged", number, "\(patch.manifest.release): \(describe(modules))",
        [
          ("patch", .string(patch.identity.hex)), ("modules", json(modules)),
          ("nanoseconds", .unsigned(nanoseconds)),
        ])
      return number
    }
  }

  /// Stages every component: all of them or none.
  private func stageAll(
    _ patch: VerifiedPatch, _ running: Running
  ) throws(Refusal) -> [StagedModule] {
    var modules = running.modules
    do throws(Refusal) {
      for number in patch.manifest.components.indices {
        let slot = try slotIndex(of: patch.manifest.components[number], running)
        let options = state.withLock { $0.slots[slot] }
        modules[slot] = try counting(patch.manifest.components[number].module, of: patch) {
          () throws(Refusal) in
          try stager.stage(
            component: number, of: patch, base: running.modules[slot],
            for: options.requirement, control: options.control, in: running.domain)
        }
      }
    } catch {
      unloadNew(modules, running)
      throw error
    }
    return modules
  }

  private func generation(
    of modules: [StagedModule], _ running: Running
  ) throws(Refusal) -> (Generation, [Migration.Change]) {
    do throws(Refusal) {
      let changes = try stateChanges(to: modules, running)
      return (try running.domain.makeGeneration(modules.map(\.module)), changes)
    } catch {
      unloadNew(modules, running)
      throw error
    }
  }

  /// Takes back what was staged for a transaction that will not be.
  private func unloadNew(_ modules: [StagedModule], _ running: Running) {
    for (new, old) in zip(modules, running.modules) where new !== old {
      // A hook that has not come back keeps its module; the refusal has said so.
      try? running.domain.unload(new.module)
    }
  }

  /// Throws unless there is room for a new transaction.
  private func readyForInstall() throws(Refusal) -> Running {
    try requireUnfrozen([])
    let running = try runningForInstall()
    try requireFewOldGenerations(in: running.domain)
    return running
  }

  /// Throws when so much is mapped for workers that do not move on that no more is to be.
  func requireFewOldGenerations(in domain: SwapDomain) throws(Refusal) {
    guard domain.overdueGenerationCount >= Self.overdueGenerationLimit else { return }
    domain.endWorkersWithoutThread()
    let count = domain.overdueGenerationCount
    guard count >= Self.overdueGenerationLimit else { return }
    throw Refusal(
      .busy, "\(count) old generations stay mapped for workers that do not move on",
      expected: "fewer than \(Self.overdueGenerationLimit)",
      hint: "'hitless agent list' says which workers: mend them, or restart the host")
  }

  private func runningForInstall() throws(Refusal) -> Running {
    try state.withLock { (state) throws(Refusal) in
      guard let running = state.running else {
        throw Refusal(.state, "the agent has not started")
      }
      if let transaction = state.transaction, [.staged, .active].contains(transaction.state) {
        throw Refusal(
          .busy, "transaction \(transaction.number) is \(transaction.state.name)",
          hint: "confirm it or roll it back first")
      }
      return running
    }
  }

  private func verify(
    _ bytes: [UInt8], _ running: Running
  ) throws(Refusal) -> VerifiedPatch {
    let trust = try trust.get()
    let trusted = journal.trusted
    let unverified: UnverifiedPatch
    do throws(FormatError) {
      unverified = try UnverifiedPatch(parsing: bytes)
    } catch {
      throw Refusal(error, in: "the patch")
    }
    var facts = VerificationFacts()
    facts.product = options.product
    let now = WallClock.now / 1_000_000_000
    facts.now = now
    facts.clockFloor = trusted.clockFloor
    facts.accepted = trusted.accepted
    facts.repeatable = journal.confirmed.abandoned?.patch
    facts.sequenceFloor = options.sequenceFloor
    facts.machine = Component.Machine(.host)
    facts.interfaces = Set(
      state.withLock { $0.slots }.map {
        Component.Interface(
          id: $0.requirement.interfaceID, version: $0.requirement.interfaceVersion)
      })
    facts.inForce = Dictionary(
      running.modules.map { ($0.facts.name, $0.image) }, uniquingKeysWith: { first, _ in first })
    let patch = try Verifier.verify(unverified, trust: trust, facts: facts)
    guard patch.manifest.upgradeClass <= .hotWithMigration else {
      throw Refusal(
        .unsupported, "the patch cannot go in live",
        expected: "class \(UpgradeClass.hot.name) or \(UpgradeClass.hotWithMigration.name)",
        found: "class \(patch.manifest.upgradeClass.name)",
        hint: "install the new modules and restart the host")
    }
    try journal.believe(clock: now)
    return patch
  }

  private func slotIndex(
    of component: Component, _ running: Running
  ) throws(Refusal) -> Int {
    guard let index = running.modules.firstIndex(where: { $0.facts.name == component.module })
    else {
      throw Refusal(
        .notForTarget, "no slot of this host is filled by module '\(component.module)'",
        found: running.modules.map(\.facts.name).joined(separator: ", "))
    }
    return index
  }
}
