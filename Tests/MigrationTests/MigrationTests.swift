import CHitless
import Guard
import HotSwap
import Platform
import TestSupport
import Testing

/// Records move between two schemas while batches use them; one worker, by hand.
@Suite(.serialized)
struct MigrationTests {
  private func expectNothingLost(_ worker: LoadedWorker) {
    #expect((worker.refused, worker.torn) == (0, 0))
    #expect(worker.forwarded == worker.offered)
  }

  @Test func `records go over as their flows are given away, and all of them by a sweep`() throws {
    let (ledger, worker, migration) = try Ledger.begun()
    #expect(migration.counts == MigrationCounts())
    try ledger.give(6554, migration)
    worker.run(300)
    let some = migration.counts.forward
    #expect(some > 50 && some < 200, "\(some) of 1000 for a tenth of the flows")
    #expect(worker.byCandidate > 0)
    try ledger.give(HITLESS_SHARE_ALL, migration)
    #expect(ledger.domain.sweep(migration, to: .candidate, until: Ledger.soon) == 0)
    #expect(migration.counts.forward == 1000)
    worker.run(100)
    expectNothingLost(worker)
    try worker.rise()
    try ledger.confirm(migration)
    #expect(ledger.domain.states?.settledSchemas == [Ledger.second])
    #expect(ledger.wrongRecords([worker]) == 0)
  }

  @Test func `what happened to a record on trial is in it after the way back`() throws {
    let (ledger, worker, migration) = try Ledger.begun()
    try ledger.give(32768, migration)
    worker.run(300)
    #expect(worker.byCandidate > 0)
    try worker.rise()
    #expect(try ledger.goBack(migration) == 0)
    let counts = migration.counts
    #expect(counts.back == counts.forward && counts.forward > 300)
    #expect(ledger.wrongRecords([worker]) == 0)
    expectNothingLost(worker)
  }

  /// It used to count the table only in which it ended: nothing was missing, and what became of the records of
  /// the other was lost.
  @Test func `a sweep that ends early misses the records of tables it has not come to`() throws {
    let ledger = try Ledger(records: 10, beside: 500)
    let migration = try ledger.announce()
    try ledger.pass(ledger.give(HITLESS_SHARE_ALL, migration))
    #expect(ledger.domain.sweep(migration, to: .candidate, until: .at(0)) == 500)
    #expect(migration.missingCount(from: .candidate) == 500)
    #expect(ledger.domain.sweep(migration, to: .candidate, until: Ledger.soon) == 0)
    try ledger.pass(ledger.takeBack(migration))
    #expect(ledger.domain.sweep(migration, to: .stable, until: .at(0)) == 500)
    #expect(migration.missingCount(from: .stable) == 500)
    #expect(ledger.domain.sweep(migration, to: .stable, until: Ledger.soon) == 0)
    #expect(migration.missingCount(from: .stable) == 0)
    try ledger.pass(ledger.domain.publish(stable: ledger.stable, states: migration.settledOld))
  }

  @Test func `a record that is needed during the way back is moved by who needs it`() throws {
    let (ledger, worker, migration) = try Ledger.begun()
    try ledger.give(HITLESS_SHARE_ALL, migration)
    worker.run(300)
    let forward = migration.counts.forward
    try ledger.takeBack(migration)
    worker.run(300)
    #expect(migration.counts.back > 0)
    let served = worker.byCandidate
    worker.run(100)
    #expect(worker.byCandidate == served, "on stable from the first batch on")
    try worker.rise()
    #expect(ledger.domain.sweep(migration, to: .stable, until: Ledger.soon) == 0)
    #expect(migration.counts.back == forward)
    _ = try ledger.domain.publish(stable: ledger.stable, states: migration.settledOld)
    #expect(ledger.wrongRecords([worker]) == 0)
    expectNothingLost(worker)
  }

  @Test func `a batch that its candidate has left is served by stable, records and all`() throws {
    let (ledger, worker, migration) = try Ledger.begun(1000, ["POISONED"])
    try ledger.give(HITLESS_SHARE_ALL, migration)
    worker.run(300)
    #expect(migration.counts.forward > 900)
    worker.poison()
    worker.run()
    #expect(ledger.room.all.reduce(0) { $0 + $1.faults } == 1)
    #expect(migration.counts.back >= 32, "its records came back with it")
    let served = worker.byCandidate
    worker.run(200)
    #expect(worker.byCandidate == served)
    expectNothingLost(worker)
    try worker.rise()
    #expect(try ledger.goBack(migration) == 0)
    #expect(ledger.wrongRecords([worker]) == 0)
  }

  /// What a hook may do to one record.
  static let mistakes = ["FAILS", "FAULTS", "LOOPS"].filter { $0 != "LOOPS" || !Sanitizer.isThread }

  @Test(arguments: mistakes)
  func `a hook that goes wrong on the way forward leaves the record as it was`(
    mistake: String
  ) throws {
    let (ledger, worker, migration) = try Ledger.begun(1000, [mistake, "FORWARD_AT=500"])
    try ledger.give(HITLESS_SHARE_ALL, migration)
    worker.run(500)
    let failure = try #require(migration.failure)
    #expect(failure.table == "ledger" && failure.1.record == 500)
    #expect(failure.1.status == (mistake == "FAILS" ? 7 : 0))
    #expect((failure.1.signal != 0) == (mistake != "FAILS"))
    #expect(migration.counts.failures == 1, "nobody tries another one")
    expectNothingLost(worker)
    try worker.rise()
    #expect(try ledger.goBack(migration) == 0)
    #expect(migration.counts.kept == 0)
    #expect(ledger.wrongRecords([worker]) == 0)
  }

  @Test(arguments: mistakes)
  func `a sweep ends at the first record that does not go forward`(mistake: String) throws {
    let (ledger, worker, migration) = try Ledger.begun(1000, [mistake, "FORWARD_AT=500"])
    try ledger.give(HITLESS_SHARE_ALL, migration)
    #expect(ledger.domain.sweep(migration, to: .candidate, until: Ledger.soon) >= 500)
    #expect(migration.failure?.1.record == 500)
    worker.run(100)
    expectNothingLost(worker)
    try worker.rise()
    #expect(try ledger.goBack(migration) == 0)
    #expect(ledger.wrongRecords([worker]) == 0)
  }

  @Test(arguments: mistakes, [true, false])
  func `a record whose way back goes wrong is what it was before`(
    mistake: String, byWorker: Bool
  ) throws {
    let (ledger, worker, migration) = try Ledger.begun(1000, [mistake, "BACK_AT=500"])
    let before = worker.book(500)
    try ledger.give(HITLESS_SHARE_ALL, migration)
    worker.run(500)
    #expect(worker.book(500) != before)
    if byWorker {
      try ledger.takeBack(migration)
      worker.run(1000)
    }
    try worker.rise()
    #expect(try ledger.goBack(migration) == 0)
    #expect(migration.counts.kept == 1)
    #expect(ledger.wrongRecords([worker]) == 1, "that one, and no other")
    expectNothingLost(worker)
  }

  @Test func `a record that is cleared is nothing to either version`() throws {
    let (ledger, worker, migration) = try Ledger.begun()
    try ledger.give(HITLESS_SHARE_ALL, migration)
    worker.run(500)
    try ledger.domain.clearState(table: 0, record: 7)
    try worker.rise()
    // The hook would not know it for its own: it never gets to see it.
    #expect(try ledger.goBack(migration) == 0)
    #expect(migration.counts.kept == 0)
    #expect(ledger.wrongRecords([worker]) == 1)
    #expect(throws: (any Error).self) { try ledger.domain.clearState(table: 0, record: 1000) }
    #expect(throws: (any Error).self) { try ledger.domain.clearState(table: 1, record: 0) }
  }

  @Test func `a candidate without the hook gets no record`() throws {
    let ledger = try Ledger(records: 10)
    #expect(throws: (any Error).self) {
      try ledger.domain.prepareMigration([Ledger.change], to: ledger.stable)
    }
  }
}
