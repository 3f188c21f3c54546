import Digests
import Journal
import Platform
import Probation
import Refusal
import TestSupport
import Testing
import Verification

@testable import Agent

/// An operator's order that comes in the middle of something else.
@Suite("Freeze in the middle of an operation")
struct FreezeTests {
  let site: Site
  private let interruption = Interruption()

  init() throws {
    site = try Site()
    site.options.log = { [interruption] _, message in interruption.log(message) }
  }

  /// Has a freeze begin at the next line `kind`, which goes on when the order holds.
  private func freeze(_ agent: Agent, at kind: String) -> Monitor<Order<UInt64?>?> {
    let order = Monitor<Order<UInt64?>?>(nil)
    interruption.at(kind) {
      let started = try? Order { try agent.freeze(reason: "stop", by: .host) }
      order.withLock { $0 = started }
      _ = eventually { agent.status().isFrozen }
    }
    return order
  }

  private func expectStable(_ agent: Agent, _ worker: TestWorker) {
    #expect(eventually { worker.results == [31, 31] })
    let batches = worker.batches
    #expect(eventually { worker.batches > batches + 10 })
    #expect(worker.results == [31, 31])
    #expect(agent.journal.confirmed.number == 0)
  }

  /// What was stopped may be had when the order is taken back.
  private func expectNothingLeft(_ agent: Agent, _ worker: TestWorker, _ number: UInt64) throws {
    try agent.release(by: .host)
    _ = try agent.activate(number)
    try agent.confirm(number)
    #expect(eventually { worker.results == [32, 31] })
    worker.stop()
    try agent.close()
  }

  /// It had been admitted by then, and was in force until the freeze got its turn.
  @Test func `an activation that was admitted before gives the candidate nothing`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    let order = freeze(agent, at: "activating")
    let refused = try #require(throws: Refusal.self) { _ = try agent.activate(number) }
    #expect(refused.kind == .frozen)
    #expect(try order.withLock { $0 }?.get() == .some(nil))
    #expect(agent.status().transactionState == .staged)
    expectStable(agent, worker)
    try expectNothingLeft(agent, worker, number)
  }

  @Test func `an activation that has given it traffic already ends in a rollback`() throws {
    (site.options.breaker.wait, site.options.breaker.longestWait) = (1_000_000, 1_000_000)
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    // Of a candidate that has failed before a line tells when it is in force.
    _ = try agent.activate(number)
    try agent.rollback(number, because: .health)
    let order = freeze(agent, at: "breaker-half-open")
    try #require(eventually { (try? agent.activate(number)) != nil })
    #expect(try order.withLock { $0 }?.get() == .some(number))
    #expect(agent.status().transactionState == .rolledBack)
    expectStable(agent, worker)
    let log = String(decoding: contents(of: "\(site.state)/audit.jsonl") ?? [], as: UTF8.self)
    #expect(log.contains(#""reason":"frozen""#))
    let patch = try #require(agent.state.withLock { $0.transaction?.patch.identity.hex })
    _ = try agent.release(patch: patch, by: .host)
    try expectNothingLeft(agent, worker, number)
  }

  /// It was written down as confirmed all the same, for this and the next start.
  @Test func `a confirmation that is not written down yet ends in a rollback`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    var plan = RolloutPlan()
    plan.steps = [.share(RolloutPlan.all)]
    plan.dwell = 100_000_000_000
    _ = try agent.activate(number, plan)
    #expect(eventually { worker.results == [32, 31] })
    let order = freeze(agent, at: "judged")
    let refused = try #require(throws: Refusal.self) { _ = try agent.confirm(number) }
    #expect(refused.kind == .frozen)
    #expect(try order.withLock { $0 }?.get() == .some(number))
    #expect(agent.status().transactionState == .rolledBack)
    expectStable(agent, worker)
    let log = String(decoding: contents(of: "\(site.state)/audit.jsonl") ?? [], as: UTF8.self)
    #expect(log.contains(#""reason":"frozen""#))
    try expectNothingLeft(agent, worker, number)
  }

  @Test func `at any moment of activations and confirmations a freeze ends on stable`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    var random = SeededGenerator(seed: 4)
    for round in 0..<24 {
      let wait = UInt64.random(in: 0..<4_000_000, using: &random)
      let order = try Order {
        _ = Monitor(0).wait(until: .after(wait)) { _ in nil as Int? }
        return try agent.freeze(reason: "stop", by: .host)
      }
      let activation = Result { try agent.activate(number) }
      let confirmation = Result { try agent.confirm(number) }
      _ = try order.get()
      if case .success = confirmation {
        // It was written down before: then it stays, and the rounds are over.
        #expect(eventually { worker.results == [32, 31] })
        #expect(agent.journal.confirmed.number == 1)
        break
      }
      #expect([.staged, .rolledBack].contains(agent.status().transactionState), "\(activation)")
      expectStable(agent, worker)
      try agent.release(by: .host)
      #expect(agent.journal.confirmed.number == 0, "round \(round)")
    }
    worker.stop()
    try agent.close()
  }
}
