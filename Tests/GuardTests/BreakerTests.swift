import CHitless
import Guard
import HotSwap
import Platform
import Refusal
import TestSupport
import Testing

@testable import Agent

/// What a fault means for the other workers, and for the next activation.
@Suite("Circuit breaker under load", .serialized)
struct BreakerTests {
  /// Nobody reads the report here: there is no agent that could take the candidate out of force.
  @Test func `a fault on one worker puts the others on stable with their next batch`() throws {
    let home = try GuardedDomain()
    try home.tryCandidate()
    let sequence = Guarded((isFaulted: false, isOver: false))
    let others = Guarded((before: [Int32: Int](), after: [Int32: Int](), workers: 0))
    var threads: [PlainThread] = []
    for _ in 0..<2 {
      threads.append(
        try PlainThread("other") {
          guard let worker = try? HandWorker(home) else { return }
          while !sequence.withLock({ $0.isOver }) {
            // What holds before the batch begins: a batch that is under way may end on the candidate.
            let isFaulted = sequence.withLock { $0.isFaulted }
            let mark = worker.run()
            others.withLock { others in
              if isFaulted {
                others.after[mark, default: 0] += 1
              } else {
                others.before[mark, default: 0] += 1
              }
            }
          }
          _ = try? worker.end()
        })
    }
    let worker = try HandWorker(home)
    #expect(eventually { others.withLock { $0.before[2] ?? 0 } > 100 })
    #expect(worker.run(trigger: true) == 1)
    sequence.withLock { $0.isFaulted = true }
    #expect(eventually { others.withLock { $0.after.values.reduce(0, +) } > 1000 })
    sequence.withLock { $0.isOver = true }
    for thread in threads { thread.join() }
    let marks = others.withLock { $0 }
    #expect(marks.after[2] == nil, "\(marks.after)")
    #expect(home.room.hasFault(of: home.candidate.number), "the report is still unread")
    try worker.end()
  }

  @Test func `of a half-open breaker as many batches get through as there are tokens`() throws {
    let home = try GuardedDomain()
    home.candidate.breaker.halfOpen(batches: 40)
    try home.domainPublish()
    let counts = Guarded([Int32: Int]())
    var threads: [PlainThread] = []
    for _ in 0..<3 {
      threads.append(
        try PlainThread("half-open") {
          guard let worker = try? HandWorker(home) else { return }
          for _ in 0..<100 {
            let mark = worker.run()
            counts.withLock { $0[mark, default: 0] += 1 }
          }
          _ = try? worker.end()
        })
    }
    for thread in threads { thread.join() }
    #expect(counts.withLock { $0 } == [2: 40, 1: 260])
    #expect(home.candidate.breaker.successes == 40)
    let hasClosed = home.candidate.breaker.closeAfterTrial()
    #expect(hasClosed)
    let worker = try HandWorker(home)
    #expect(worker.run() == 2)
    home.candidate.breaker.open()
    let closesAgain = home.candidate.breaker.closeAfterTrial()
    #expect(!closesAgain, "who has just failed was faster")
    #expect(worker.run() == 1)
    try worker.end()
  }

  @Test func `a candidate that has failed waits, proves itself, and may then be confirmed`() throws
  {
    let node = try GuardedNode(workers: 2) { options in
      options.breaker.wait = 300_000_000_000
      options.breaker.batches = 400
      options.breaker.successes = 40
    }
    let transaction = try node.install(try FaultyModule.image(2, .segv))
    _ = try node.agent.activate(transaction)
    try node.load(trigger: [0, 1])
    expectRollback(node, 1)
    let refused = try #require(throws: Refusal.self) { try node.agent.activate(transaction) }
    #expect(refused.kind == .breakerOpen)
    #expect(refused.message.hasPrefix("the breaker of module 'qer' is open: "))
    #expect(throws: Refusal.self) {
      try node.agent.exercise(transaction, count: 2, intervalNanoseconds: 0)
    }
    endWait(node)
    _ = try node.agent.activate(transaction)
    let early = try #require(throws: Refusal.self) { try node.agent.confirm(transaction) }
    #expect(early.kind == .health)
    #expect(early.message.contains("half-open"))
    for _ in 0..<20 { try node.load() }
    #expect(eventually { (try? node.agent.confirm(transaction)) != nil })
    try node.load()
    node.expectConservation()
    #expect(node.agent.status().transactionState == .confirmed)
    #expect((node.marks[2] ?? 0) > 0)
  }

  @Test func `one that fails again and again is in quarantine, until somebody releases it`() throws
  {
    let node = try GuardedNode(workers: 1) { options in
      options.breaker.wait = 1_000_000
      options.breaker.longestWait = 2_000_000
      options.breaker.openings = 3
    }
    let transaction = try node.install(try FaultyModule.image(2, .segv))
    for round in 1...3 {
      try #require(eventually { (try? node.agent.activate(transaction)) != nil })
      try node.load(trigger: [0])
      expectRollback(node, UInt64(round))
    }
    let refused = try #require(throws: Refusal.self) { try node.agent.activate(transaction) }
    #expect(refused.kind == .quarantined)
    // The name of the patch is in the hint: 'hitless agent release --patch ID'.
    let name = try #require(refused.hint?.split(separator: " ").first { $0.hasSuffix("'") })
    let prefix = String(name.dropLast())
    #expect(throws: Refusal.self) { try node.agent.release(patch: "0000", by: .host) }
    #expect(throws: Refusal.self) { try node.agent.release(patch: "0123456789", by: .host) }
    #expect(try node.agent.release(patch: prefix, by: .host).hasPrefix(prefix))
    _ = try node.agent.activate(transaction)
    try node.load()
    try node.agent.confirm(transaction)
    node.expectConservation()
    #expect(node.agent.metrics().contains("\nhitless_quarantined_patches 0\n"))
  }

  @Test func `a breaker that only counts keeps nothing out`() throws {
    let node = try GuardedNode(workers: 1) { $0.breaker.isMetricsOnly = true }
    let transaction = try node.install(try FaultyModule.image(2, .segv))
    for round in 1...4 {
      _ = try node.agent.activate(transaction)
      try node.load(trigger: [0])
      expectRollback(node, UInt64(round))
    }
    node.expectConservation()
    let metrics = node.agent.metrics()
    #expect(metrics.contains("\nhitless_breaker_failures_total{source=\"fault\"} 4\n"))
    #expect(metrics.contains("hitless_breaker_state{module=\"qer\",state=\"metrics_only\"} 1\n"))
  }

  @Test func `a freeze under load puts everybody on stable, and loses nothing`() throws {
    let node = try GuardedNode(workers: 2)
    let transaction = try node.install(try FaultyModule.image(2, .segv))
    _ = try node.agent.activate(transaction)
    try node.load()
    let number = try node.agent.freeze(reason: "a look at it", by: .host)
    #expect(number == transaction)
    node.expectConservation()
    let before = node.marks[2] ?? 0
    #expect(before > 0)
    try node.load()
    node.expectConservation()
    #expect(node.marks[2] == before)
    #expect(node.agent.status().transactionState == .rolledBack)
    for attempt in [
      { _ = try node.agent.activate(transaction) },
      { _ = try node.agent.exercise(transaction, count: 2, intervalNanoseconds: 0) },
      { _ = try node.install(try FaultyModule.image(3)) },
    ] {
      let refused = try #require(throws: Refusal.self) { try attempt() }
      #expect(refused.kind == .frozen)
      #expect(refused.message.contains("a look at it"))
    }
    #expect(
      node.agent.metrics().contains("hitless_rollbacks_total{module=\"qer\",reason=\"frozen\"} 1\n")
    )
    try node.agent.release(by: .host)
    #expect(throws: Refusal.self) { try node.agent.release(by: .host) }
    _ = try node.agent.activate(transaction)
    try node.load()
    try node.agent.confirm(transaction)
    node.expectConservation()
  }

  /// Lets the time pass that open breakers wait, however long that is.
  private func endWait(_ node: GuardedNode) {
    let now = MonotonicClock.now
    node.agent.state.withLock { state in
      let entries = state.protection.breakers.entries(at: now)
      state.protection.breakers = BreakerTable(entries, elapsed: .max, at: now)
    }
  }

  private func hasUnansweredFault(_ agent: Agent) -> Bool {
    let found = agent.state.withLock { ($0.transaction?.generation, $0.running?.domain) }
    guard let generation = found.0, let domain = found.1 else { return false }
    return agent.hasFault(generation, in: domain)
  }

  private func expectRollback(
    _ node: GuardedNode, _ count: UInt64, _ location: SourceLocation = #_sourceLocation
  ) {
    let isOver = eventually(within: 60) {
      let status = node.agent.status()
      // What another worker has reported counts against the next time in force until it was answered.
      return status.counters.rollbacks == count && status.transactionState == .rolledBack
        && !hasUnansweredFault(node.agent)
    }
    #expect(isOver, "\(node.agent.status())", sourceLocation: location)
  }
}

extension GuardedDomain {
  /// Puts the candidate on trial with its breaker as it is.
  fileprivate func domainPublish() throws {
    _ = try domain.publish(stable: stable, candidate: candidate)
  }
}
