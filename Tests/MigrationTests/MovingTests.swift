import CHitless
import Foundation
import Glibc
import Guard
import HotSwap
import TestSupport
import Testing

/// Records move while workers on threads of their own use them.
@Suite(.serialized)
struct MovingTests {
  private func expectNothingLost(_ workers: [LoadedWorker]) {
    for worker in workers {
      #expect((worker.refused, worker.torn) == (0, 0))
      #expect(worker.forwarded == worker.offered)
    }
  }

  /// Few records go over eagerly, many when they are needed.
  @Test(arguments: [1000, Sanitizer.isThread ? 20_000 : 1_000_000] as [UInt64], [true, false])
  func `records go over and come back, or stay, while two workers forward`(
    records: UInt64, isConfirmed: Bool
  ) throws {
    let ledger = try Ledger(records: records)
    let workers = (0..<2).map { LoadedWorker(ledger, first: $0, stride: 2) }
    for worker in workers { try worker.start() }
    for worker in workers { worker.pass() }
    let migration = try ledger.announce()
    for share: UInt32 in [655, 6554, 32768, HITLESS_SHARE_ALL] {
      try ledger.give(share, migration)
      for worker in workers { worker.pass(200) }
    }
    #expect(migration.counts.forward > 0)
    if isConfirmed {
      try ledger.confirm(migration)
      #expect(migration.counts.forward == records)
    } else {
      #expect(try ledger.goBack(migration) == 0)
      #expect(migration.counts.back == migration.counts.forward)
    }
    for worker in workers { worker.pass() }
    for worker in workers { worker.stop() }
    expectNothingLost(workers)
    #expect(ledger.wrongRecords(workers) == 0)
  }

  @Test func `nothing is lost or counted twice, however often records go to and fro`() throws {
    // By default a tenth: 100 events, 10⁵ packets at least.
    let isFull = ProcessInfo.processInfo.environment["HITLESS_MIGRATION"] == "full"
    let (events, packets) = isFull ? (1000, 1_000_000) : (100, 100_000)
    let ledger = try Ledger(records: 2000, candidate: ["POISONED"])
    let workers = (0..<2).map { LoadedWorker(ledger, first: $0, stride: 2) }
    for worker in workers { try worker.start() }
    let pause = UInt64(packets / events / 64 + 1)
    var faults = 0
    for event in 0..<events {
      let migration = try ledger.announce()
      for share: UInt32 in [16384, HITLESS_SHARE_ALL] {
        try ledger.give(share, migration)
        for worker in workers { worker.pass(pause) }
      }
      if event % 3 == 0 {
        workers[event % 2].poison()
        for worker in workers { worker.pass(pause) }
        faults += 1
      } else if event % 3 == 1 {
        _ = ledger.domain.sweep(migration, to: .candidate, until: Ledger.soon)
      }
      #expect(try ledger.goBack(migration) == 0)
      #expect(migration.counts.back == migration.counts.forward && migration.counts.kept == 0)
      // The next one starts with the same code, and may fail again.
      drainFaults(ledger)
    }
    let migration = try ledger.announce()
    try ledger.give(HITLESS_SHARE_ALL, migration)
    try ledger.confirm(migration)
    for worker in workers { worker.stop() }
    expectNothingLost(workers)
    #expect(ledger.wrongRecords(workers) == 0)
    #expect(workers.reduce(0) { $0 + $1.offered } >= UInt64(packets))
    #expect(ledger.room.all.reduce(0) { $0 + $1.faults } == UInt64(faults))
  }

  /// Makes room for the next report.
  private func drainFaults(_ ledger: Ledger) {
    while ledger.room.hasFault(of: ledger.candidate.number), ledger.room.answerFault() != nil {}
  }

  @Test func `two workers that share records never have one in both versions`() throws {
    let ledger = try Ledger(records: 64)
    let first = LoadedWorker(ledger, stride: 0)
    let second = LoadedWorker(ledger, stride: 0, sharing: first)
    for worker in [first, second] { try worker.start() }
    for _ in 0..<50 {
      let migration = try ledger.announce()
      for share: UInt32 in [16384, 49152, HITLESS_SHARE_ALL] {
        try ledger.give(share, migration)
        for worker in [first, second] { worker.pass(20) }
      }
      #expect(try ledger.goBack(migration) == 0)
    }
    for worker in [first, second] { worker.stop() }
    for worker in [first, second] {
      #expect(worker.torn == 0)
      #expect(worker.refused == 0, "stable and candidate are both there: each can serve either")
      #expect(worker.byCandidate > 0)
    }
  }
}
