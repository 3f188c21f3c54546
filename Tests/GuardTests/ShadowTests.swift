import Agent
import Guard
import Journal
import Probation
import Refusal
import TestSupport
import Testing

/// Candidates that are run on copies of batches only, under load: equal ones, others, and some that fail.
@Suite("Shadow of the reference UPF", .serialized)
struct ShadowTests {
  /// Every batch, until `batches` were compared.
  func plan(_ batches: UInt64, allowed: UInt64 = 0) -> ShadowPlan {
    ShadowPlan(share: RolloutPlan.all, batches: batches, allowed: allowed)
  }

  private func node(workers: Int = 1) throws -> GuardedNode {
    try GuardedNode(workers: workers) {
      $0.guarding.batchBudget = Sanitizer.isAny ? 5_000_000_000 : 100_000_000
    }
  }

  /// Gives the node packets until the shadow is over; `trigger` as in `load`.
  func loadUntilOver(
    _ node: GuardedNode, trigger workers: [Int] = [], _ location: SourceLocation = #_sourceLocation
  ) throws {
    for _ in 0..<2000 {
      guard node.agent.shadowIsUnderWay else { return }
      try node.load(rounds: 2, trigger: workers)
    }
    Issue.record("the shadow does not end", sourceLocation: location)
  }

  @Test(arguments: [1, 2])
  func `an equal candidate is compared without a divergence, and then serves`(workers: Int) throws {
    let node = try node(workers: workers)
    let transaction = try node.install(try FaultyModule.image(2, time: 1))
    _ = try node.agent.activate(transaction, shadow: plan(120))
    #expect(throws: Refusal.self) { try node.agent.confirm(transaction) }
    try loadUntilOver(node)
    #expect(node.agent.status().shadow.compared >= 120)
    #expect(node.agent.status().shadow.divergences == 0)
    #expect(node.agent.status().transactionState == .active)
    try node.load()
    node.expectConservation()
    #expect((node.marks[2] ?? 0) > 0)
    try node.agent.confirm(transaction)
    #expect(try node.auditLines().contains { $0.contains(#""verdict":"equal""#) })
    try expectReplay(of: node)
  }

  @Test(arguments: [
    (Failure.decide, "verdict", "qer"), (Failure.write, "bytes", ShadowReport.host),
  ])
  func `a candidate with other results is found, and no worker has run it`(
    failure: Failure, output: String, module: String
  ) throws {
    let node = try node()
    let transaction = try node.install(try FaultyModule.image(2, failure, time: 1))
    _ = try node.agent.activate(transaction, shadow: plan(1_000_000))
    try loadUntilOver(node, trigger: [0])
    #expect(node.agent.status().transactionState == .rolledBack)
    let report = try #require(node.agent.shadowReports.first { $0.difference.name == output })
    #expect(report.module == module)
    #expect(report.difference.stable != nil && report.difference.candidate != nil)
    #expect(report.difference.stable != report.difference.candidate)
    // The packet is shown beside it: an IPv4 header.
    #expect(report.difference.input.first == 0x45)
    // The log has it once the way back is over.
    for word in [#""event":"diverged""#, #""reason":"divergence""#] {
      #expect(eventually { (try? node.auditLines())?.contains { $0.contains(word) } == true })
    }
    node.expectConservation()
    #expect(node.marks[2] == nil, "a worker has run it: \(node.marks)")
    try expectReplay(of: node)
  }

  @Test func `other values for buckets are found where no packet differs`() throws {
    let node = try node()
    let transaction = try node.install(try FaultyModule.image(2, time: 9))
    _ = try node.agent.activate(transaction, shadow: plan(1_000_000))
    try loadUntilOver(node)
    #expect(node.agent.status().transactionState == .rolledBack)
    let report = try #require(node.agent.shadowReports.first)
    #expect(report.difference.name == "bucket" && report.difference.packet == nil)
    node.expectConservation()
  }

  @Test func `as many divergences as are allowed are let pass, and counted`() throws {
    let node = try node()
    let transaction = try node.install(try FaultyModule.image(2, .decide, time: 1))
    _ = try node.agent.activate(transaction, shadow: plan(150, allowed: 1_000_000))
    try loadUntilOver(node, trigger: [0])
    #expect(node.agent.status().transactionState == .active)
    #expect(node.agent.status().shadow.divergences > 0)
    #expect(node.agent.shadowReports.count <= 8)
    #expect(node.agent.metrics().contains(#"hitless_shadow_divergences_total{module="qer"} "#))
    _ = try node.agent.rollback(transaction)
  }

  @Test(arguments: Failure.common.filter { [.segv, .abort, .loop, .overflow].contains($0) })
  func `a candidate that fails on copies only is left there, and no packet notices`(
    failure: Failure
  ) throws {
    guard failure != .loop || !Sanitizer.isAny else { return }
    let node = try node()
    let transaction = try node.install(try FaultyModule.image(2, failure, time: 1))
    _ = try node.agent.activate(transaction, shadow: plan(1_000_000))
    try loadUntilOver(node, trigger: [0])
    #expect(eventually(within: 60) { node.agent.status().transactionState == .rolledBack })
    #expect(eventually(within: 60) { node.agent.lastFault != nil })
    #if arch(x86_64)
    #expect(node.agent.lastFault?.cause == failure.cause)
    #endif
    #expect(node.agent.lastFault?.worker == ShadowBench.name)
    node.expectConservation()
    #expect(node.marks[2] == nil, "a worker has run it: \(node.marks)")
  }

  @Test func `after the shadow comes the canary that was asked for`() throws {
    let node = try node()
    let transaction = try node.install(try FaultyModule.image(2, time: 1))
    var rollout = RolloutPlan()
    rollout.steps = [.share(6554), .share(RolloutPlan.all)]
    _ = try node.agent.activate(transaction, rollout, shadow: plan(120))
    try loadUntilOver(node)
    #expect(node.agent.status().transactionState == .active)
    // The log has it once the grace period is over.
    let step = "in shadow, step 1 of 2, 10 % of batches"
    let isTold = eventually(within: 60) {
      (try? node.auditLines())?.contains { $0.contains(step) } == true
    }
    #expect(isTold)
    _ = try node.agent.rollback(transaction)
    node.expectConservation()
  }

  @Test func `a shadow that sees too little is rolled back as inconclusive`() throws {
    let node = try node()
    let transaction = try node.install(try FaultyModule.image(2, time: 1))
    _ = try node.agent.activate(
      transaction, shadow: ShadowPlan(share: RolloutPlan.all, duration: 200_000_000))
    #expect(eventually(within: 60) { node.agent.status().transactionState == .rolledBack })
    #expect(
      eventually(within: 60) {
        (try? node.auditLines())?.contains { $0.contains(#""reason":"inconclusive""#) } == true
      })
    try expectReplay(of: node)
  }

  @Test func `a rollback in the middle, again and again, leaves nothing behind`() throws {
    let node = try node()
    let transaction = try node.install(try FaultyModule.image(2, time: 1))
    for _ in 0..<20 {
      _ = try node.agent.activate(transaction, shadow: plan(1_000_000))
      try node.load(rounds: 5)
      _ = try node.agent.rollback(transaction)
    }
    node.expectConservation()
    #expect(node.marks[2] == nil)
    #expect(node.agent.status().shadow.compared > 0)
  }

  /// Decides again what is in the log.
  func expectReplay(of node: GuardedNode) throws {
    guard let hitless = try? BuiltProduct.path("hitless") else { return }
    let replayed = try run(hitless, ["agent", "replay", "--audit", node.stateDirectory])
    #expect(replayed.status == 0, "\(replayed.errors)\(replayed.output)")
    #expect(replayed.output.contains(": same"))
  }
}
