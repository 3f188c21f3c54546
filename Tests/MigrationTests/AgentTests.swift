import Agent
import Guard
import HotSwap
import Probation
import Refusal
import TestSupport
import Testing

/// The whole way of a patch that changes the layout of records, under load.
@Suite(.serialized)
struct MigratingAgentTests {
  private func expectNothingLost(_ workers: [LoadedWorker]) {
    for worker in workers {
      worker.stop()
      #expect((worker.refused, worker.torn) == (0, 0))
      #expect(worker.forwarded == worker.offered)
    }
  }

  private func waitUntilSettled(_ agent: Agent) {
    #expect(
      eventually(within: 60) { agent.status().transactionState != .active && !agent.isMigrating })
  }

  @Test(arguments: [1000, 100_000] as [UInt64])
  func `records are moved, few at once and many as they are needed, and the layout is confirmed`(
    records: UInt64
  ) throws {
    let site = try LedgerSite(records: records)
    let agent = try site.start()
    let workers = try site.startWorkers()
    let number = try site.install()
    _ = try agent.activate(number)
    if records <= Agent.eagerRecordLimit {
      // A worker that has moved one itself counts it a moment later.
      #expect(eventually { agent.migrationCounts.forward == records })
    }
    for worker in workers { worker.pass() }
    #expect(workers.allSatisfy { $0.byCandidate > 0 })
    try agent.confirm(number)
    #expect(agent.migrationCounts.forward == records && !agent.isMigrating)
    for worker in workers { worker.pass() }
    expectNothingLost(workers)
    let metric = "hitless_migrated_records_total{direction=\"forward\"}"
    #expect(agent.metrics().contains("\(metric) \(records)"))
    #expect(site.audit.contains("\"migrated\""))
    // The next start begins in the confirmed layout.
    try agent.close()
    try site.start()
    let again = try site.startWorkers()
    #expect(again.allSatisfy { $0.byCandidate > 0 })
    for worker in again { worker.stop() }
  }

  /// It used to stay on its way for ever: nobody waited a second time.
  @Test func `a worker that was late at a rollback does not keep the records away`() throws {
    let site = try LedgerSite(records: 500)
    site.options.graceTimeout = 100_000_000
    let agent = try site.start()
    let number = try site.install()
    _ = try agent.activate(number, eagerRecords: 0)
    let worker = LoadedWorker(site)
    try worker.sit()
    worker.run(200)
    #expect(agent.migrationCounts.forward > 0)
    #expect(try agent.rollback(number).overdue.map(\.name) == ["load"])
    #expect(agent.isMigrating)
    let refused = #expect(throws: Refusal.self) { _ = try agent.activate(number) }
    #expect(refused?.kind == .busy)
    worker.run(20)
    try worker.rise()
    _ = try agent.activate(number)
    try agent.rollback(number)
    #expect(!agent.isMigrating && agent.migrationCounts.kept == 0)
    expectNothingLost([worker])
    #expect(site.wrongRecords([worker]) == 0)
  }

  @Test func `a rollout moves records by flow, and a rollback takes them back`() throws {
    let site = try LedgerSite(records: 20_000)
    let agent = try site.start()
    let workers = try site.startWorkers()
    let number = try site.install()
    var plan = LedgerSite.plan()
    plan.steps = RolloutPlan.steps(.flows, first: .share(6554), later: [RolloutPlan.all])
    plan.dwell = 20_000_000_000
    _ = try agent.activate(number, plan, eagerRecords: 0)
    for worker in workers { worker.pass(2000) }
    let moved = agent.migrationCounts.forward
    #expect(moved > 0 && moved < 10_000, "\(moved) of 20 000 for a tenth of the flows")
    try agent.rollback(number)
    #expect(!agent.isMigrating)
    let counts = agent.migrationCounts
    #expect(counts.back == counts.forward && counts.kept == 0)
    for worker in workers { worker.pass() }
    expectNothingLost(workers)
    #expect(site.wrongRecords(workers) == 0)
    #expect(site.audit.contains("\"migrated-back\""))
    // It may be tried again.
    let more = try site.startWorkers()
    _ = try agent.activate(number)
    try agent.confirm(number)
    expectNothingLost(more)
  }

  @Test(arguments: MigrationTests.mistakes, [0, 10_000] as [UInt64])
  func `a record that cannot be moved takes the candidate out of force`(
    mistake: String, eager: UInt64
  ) throws {
    let site = try LedgerSite(records: 2000)
    let agent = try site.start()
    let workers = try site.startWorkers()
    let number = try site.install([mistake, "FORWARD_AT=777"])
    _ = try agent.activate(number, eagerRecords: eager)
    for worker in workers { worker.pass(300) }
    waitUntilSettled(agent)
    #expect(agent.status().transactionState == .rolledBack)
    #expect(agent.migrationCounts.kept == 0)
    expectNothingLost(workers)
    #expect(site.wrongRecords(workers) == 0)
    #expect(site.audit.contains("\"reason\":\"migration\""))
    #expect(agent.metrics().contains("reason=\"migration\"} "))
  }

  @Test func `a fault takes the candidate's records back with it`() throws {
    let site = try LedgerSite(records: 2000)
    let agent = try site.start()
    let workers = try site.startWorkers()
    let number = try site.install(["POISONED"])
    _ = try agent.activate(number)
    for worker in workers { worker.pass(200) }
    workers[1].poison()
    waitUntilSettled(agent)
    for worker in workers { worker.pass() }
    // It is reported after the way back.
    #expect(eventually { agent.lastFault != nil })
    let counts = agent.migrationCounts
    #expect(counts.back == counts.forward && counts.kept == 0)
    expectNothingLost(workers)
    #expect(site.wrongRecords(workers) == 0)
  }

  @Test func `nobody has confirmed in time, and the records are back`() throws {
    let site = try LedgerSite(records: 2000)
    site.options.confirmTimeout = 300_000_000
    let agent = try site.start()
    let workers = try site.startWorkers()
    let number = try site.install()
    _ = try agent.activate(number)
    waitUntilSettled(agent)
    #expect(agent.status().transactionState == .rolledBack)
    expectNothingLost(workers)
    #expect(site.wrongRecords(workers) == 0)
  }

  @Test(arguments: [true, false])
  func `records that cannot go back are what they were before, and are counted`(
    isAsked: Bool
  ) throws {
    let site = try LedgerSite(records: 2000)
    let agent = try site.start()
    let workers = try site.startWorkers()
    let number = try site.install(["FAILS", "BACK_AT=777"] + (isAsked ? [] : ["POISONED"]))
    _ = try agent.activate(number)
    for worker in workers { worker.pass(500) }
    if isAsked { try agent.rollback(number) } else { workers[0].poison() }
    waitUntilSettled(agent)
    expectNothingLost(workers)
    #expect(agent.migrationCounts.kept == 1)
    #expect(site.wrongRecords(workers) == 1)
    #expect(agent.metrics().contains("hitless_migration_kept_records_total 1"))
  }

  /// What is counted, settled and confirmed is all tables' records.
  @Test(arguments: [true, false])
  func `two tables go over and come back together`(isEager: Bool) throws {
    let site = try LedgerSite(records: 300)
    (site.hasMirror, site.mirrorRecordCount) = (true, 500)
    let agent = try site.start()
    let workers = try site.startWorkers()
    let number = try site.install()
    for turn in 1...2 as ClosedRange<UInt64> {
      _ = try agent.activate(number, eagerRecords: isEager ? nil : 0)
      if isEager { #expect(agent.migrationCounts.forward == turn * 800) }
      for worker in workers { worker.pass() }
      if turn == 2 { break }
      try agent.rollback(number)
      let counts = agent.migrationCounts
      #expect(counts.back == counts.forward && counts.kept == 0 && !agent.isMigrating)
      for worker in workers { worker.pass() }
    }
    let before = agent.migrationCounts
    try agent.confirm(number)
    #expect(agent.migrationCounts.forward - before.back == 800 && !agent.isMigrating)
    for worker in workers { worker.pass() }
    #expect(workers.allSatisfy { $0.byCandidate > 0 })
    expectNothingLost(workers)
    let log = site.audit.split(separator: "\n").filter { $0.contains("\"migrated\"") }
    #expect(log.count == 1 && log[0].contains("\"records\":800"), "\(log)")
  }

  /// It used to be counted once for each of them, against the limit of what is moved at once as well.
  @Test func `a record that two modules share is moved once, and counted once`() throws {
    let site = try LedgerSite(records: 100)
    site.hasMirror = true
    let agent = try site.start()
    let number = try site.install()
    _ = try agent.activate(number, eagerRecords: 100)
    #expect(agent.migrationCounts == MigrationCounts(forward: 100))
    try agent.rollback(number)
    #expect(agent.migrationCounts == MigrationCounts(forward: 100, back: 100))
    _ = try agent.activate(number)
    try agent.confirm(number)
    #expect(agent.migrationCounts == MigrationCounts(forward: 200, back: 100))
  }

  @Test(arguments: [RolloutPlan.Kind.batches, .workers])
  func `whole batches or workers are no canary for records`(kind: RolloutPlan.Kind) throws {
    let site = try LedgerSite(records: 100)
    let agent = try site.start()
    let number = try site.install()
    let error = try #require(throws: Refusal.self) {
      try agent.activate(number, LedgerSite.plan(kind))
    }
    #expect(error.kind == .unsupported && error.found?.contains(kind.name) == true)
    #expect(agent.status().transactionState == .staged)
  }

  @Test func `a host takes no records that it has no room for`() throws {
    for schemas: [StateDefinition.Schema]? in [nil, [Ledger.first]] {
      let site = try LedgerSite(records: 100)
      site.schemas = schemas
      let agent = try site.start()
      let error = try #require(throws: Refusal.self) { try site.install() }
      #expect(error.kind == .notForTarget)
      #expect(agent.status().transaction == 0)
    }
    let site = try LedgerSite(records: 100)
    site.schemas = [Ledger.first, .init(id: Ledger.second.id, size: 48)]
    try site.start()
    let error = try #require(throws: Refusal.self) { try site.install() }
    #expect(error.kind == .notForTarget && error.expected?.contains("48") == true)
  }

  @Test func `tables are defined once, before the start, and no schema twice`() throws {
    let site = try LedgerSite(records: 100)
    let agent = try site.start()
    let table = try StateDefinition(name: "late", schemas: [.init(id: 1, size: 8)], count: 1)
    #expect(throws: Refusal.self) { try agent.defineStates(table) }
    let other = try Agent(AgentOptions(stateDirectory: site.directory.path("other")))
    #expect(try other.defineStates(table) == 0)
    #expect(throws: Refusal.self) { try other.defineStates(table) }
    let same = try StateDefinition(name: "same", schemas: [.init(id: 1, size: 16)], count: 1)
    #expect(throws: Refusal.self) { try other.defineStates(same) }
    for (sizes, count) in [([8], 0), ([0], 1), ([4097], 1), ([], 1)] as [([UInt32], UInt64)] {
      #expect(throws: Refusal.self) {
        try StateDefinition(
          name: "bad", schemas: sizes.map { .init(id: 1, size: $0) }, count: count)
      }
    }
    try other.close()
  }

  @Test func `a side area is the candidate's own, and stable's records stay as they are`() throws {
    let site = try LedgerSite(records: 1000)
    site.hasSideArea = true
    let agent = try site.start()
    let workers = try site.startWorkers()
    let number = try site.installSide()
    var plan = LedgerSite.plan(.batches)
    plan.dwell = 20_000_000_000
    _ = try agent.activate(number, plan)
    for worker in workers { worker.pass(500) }
    try agent.rollback(number)
    let before = workers.reduce(0) { $0 + $1.byCandidate }
    #expect(try before > 0 && site.sidePackets() == before)
    let refused = #expect(throws: Refusal.self) {
      _ = try agent.exercise(number, count: 2, intervalNanoseconds: 0)
    }
    #expect(refused?.kind == .unsupported, "each turn would leave a hole in it")
    for worker in workers { worker.pass() }
    #expect(workers.reduce(0) { $0 + $1.byCandidate } == before, "stable alone")
    // What the first trial has left there has missed something: the second one does not find it.
    _ = try agent.activate(number)
    for worker in workers { worker.pass(500) }
    try agent.confirm(number)
    for worker in workers { worker.pass() }
    expectNothingLost(workers)
    #expect(try site.sidePackets() == workers.reduce(0) { $0 + $1.byCandidate } - before)
    #expect(site.wrongRecords(workers) == 0)
    #expect(agent.migrationCounts == MigrationCounts())
    // The next start has the table in use.
    try agent.close()
    try site.start()
    let again = try site.startWorkers()
    #expect(again.allSatisfy { $0.byCandidate > 0 })
    for worker in again { worker.stop() }
  }

  /// The kernel does not take pages back from such a host: what was there used to stay.
  @Test func `the side area is emptied, too, of a host that has locked its memory`() throws {
    let site = try LedgerSite(records: 1000)
    site.hasSideArea = true
    let agent = try site.start()
    let workers = try site.startWorkers()
    let number = try site.installSide()
    _ = try agent.activate(number)
    try site.lockSideArea()
    for worker in workers { worker.pass() }
    expectNothingLost(workers)
    try agent.rollback(number)
    #expect(try site.sidePackets() > 0)
    _ = try agent.activate(number)
    #expect(try site.sidePackets() == 0)
  }

  @Test func `a host without the side area refuses who needs one`() throws {
    let site = try LedgerSite(records: 100)
    let agent = try site.start()
    let error = try #require(throws: Refusal.self) { try site.installSide() }
    #expect(error.kind == .notForTarget && error.message.contains("no state table"))
    #expect(agent.status().transaction == 0)
  }

  @Test func `after an end in the middle the next start is in the layout before`() throws {
    let site = try LedgerSite(records: 1000)
    let agent = try site.start()
    let workers = try site.startWorkers()
    _ = try agent.activate(try site.install())
    for worker in workers { worker.pass() }
    expectNothingLost(workers)
    // Nothing was confirmed: as far as the device knows, the host has just died.
    try agent.close()
    try site.start()
    let again = try site.startWorkers()
    expectNothingLost(again)
    #expect(again.allSatisfy { $0.byCandidate == 0 })
  }

  /// What may become of a trial above a patch that was confirmed and is guarded still.
  enum Trial: CaseIterable {
    case refused, rolledBack, exercised
  }

  /// The guard had nothing to go back to afterwards: the next fault would have been the host's end.
  @Test(arguments: Trial.allCases)
  func `what was confirmed stays guarded after the trial of another patch`(trial: Trial) throws {
    let site = try LedgerSite(records: 500)
    site.options.guarding.mode = .always
    if trial == .refused { site.options.graceTimeout = 100_000_000 }
    let agent = try site.start()
    let first = try site.installHot(["POISONED"])
    _ = try agent.activate(first)
    try agent.confirm(first)
    let before = try site.generations()
    try #require(before.guarded != nil)
    let worker = LoadedWorker(site)
    try carryOut(trial, on: site, agent, worker)
    try #require(try site.generations() == before)
    worker.run(20)
    worker.poison()
    let isReverted = eventually {
      worker.run()
      return site.audit.contains("\"reverted\"")
    }
    #expect(isReverted)
    #expect(try site.generations() == (before.stable, nil))
    try worker.rise()
    expectNothingLost([worker])
    #expect(site.wrongRecords([worker]) == 0)
  }

  /// Afterwards the calling thread is the worker's.
  private func carryOut(
    _ trial: Trial, on site: LedgerSite, _ agent: Agent, _ worker: LoadedWorker
  ) throws {
    let base = ["POISONED"]
    switch trial {
    case .refused:
      let number = try site.install(from: base, sequence: 3)
      // It runs no batch, so no record can be moved.
      try worker.sit()
      let refused = #expect(throws: Refusal.self) { _ = try agent.activate(number) }
      #expect(refused?.kind == .busy)
      return
    case .rolledBack:
      let number = try site.install(from: base, sequence: 3)
      _ = try agent.activate(number)
      try agent.rollback(number)
      #expect(!agent.isMigrating)
    case .exercised:
      let number = try site.installHot(["REVISION=1"], from: base, sequence: 3)
      _ = try agent.exercise(number, count: 2, intervalNanoseconds: 0)
    }
    try worker.sit()
  }
}
