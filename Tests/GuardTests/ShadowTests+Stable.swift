import Agent
import CHitless
import Glibc
import Guard
import HotSwap
import Probation
import Refusal
import Synchronization
import TestSupport
import Testing

/// Stable itself fails on copies that it should not have been given.
///
/// It used to be run on them without the guard, so that the host went down with it or hung for ever: hence each
/// test is a process of its own, which an alarm ends.
extension ShadowTests {
  @Test(arguments: [false, true], [Failure.segv, .loop])
  func `a stable that fails on a copy ends the shadow and nothing else`(
    isAlwaysOn: Bool, failure: Failure
  ) async {
    guard failure != .loop || !Sanitizer.isAny else { return }
    await #expect(processExitsWith: .success) {
      [always = isAlwaysOn as Bool, failure = failure as Failure] in
      alarm(300)
      try ShadowTests().endByStable(always ? .always : .duringTrial, failure)
    }
  }

  private func endByStable(_ mode: GuardMode, _ failure: Failure) throws {
    let directory = try TemporaryDirectory()
    let socket = directory.path("agent")
    let (node, stable) = try node(mode, failure, HandCopies(areBad: true), socket)
    let before = node.agent.status()
    let transaction = try node.install(try FaultyModule.image(3))
    _ = try node.agent.activate(transaction, shadow: plan(1_000_000))
    try loadUntilOver(node)
    let isOver = eventually(within: 60) {
      (try? node.auditLines())?.contains { $0.contains(#""reason":"inconclusive""#) } == true
    }
    #expect(isOver)
    let status = node.agent.status()
    #expect(status.transactionState == .rolledBack)
    #expect(status.stableGeneration == before.stableGeneration)
    #expect(status.counters.faults == 0 && node.agent.lastFault == nil)
    #expect(eventually { node.agent.shadowStableFault != nil })
    let fault = try #require(node.agent.shadowStableFault)
    #expect(fault.worker == ShadowBench.name)
    #expect(fault.place?.module == "qer 1.0.\(stable)")
    try expectAudit(of: node)
    expectMetrics(of: node, fault.cause)
    try expectListing(at: socket, fault.cause)
    #if arch(x86_64)
    #expect(fault.cause == failure.cause)
    #endif
    // Nothing is held against the patch.
    _ = try node.agent.activate(transaction)
    try node.load()
    node.expectConservation()
    #expect((node.marks[3] ?? 0) > 0)
    try node.agent.confirm(transaction)
    try expectReplay(of: node)
  }

  /// A node whose stable fails as it is told, and its version; with the guard always on there is something to go
  /// back to as well, and that fault would be a reason to go.
  private func node(
    _ mode: GuardMode, _ failure: Failure, _ copies: HandCopies, _ socket: String
  ) throws -> (GuardedNode, stable: Int) {
    let node = try GuardedNode(
      workers: 1, qer: try FaultyModule.image(1, failure), copies: copies
    ) {
      $0.controlSocket = socket
      $0.guarding.mode = mode
      $0.guarding.batchBudget = Sanitizer.isAny ? 5_000_000_000 : 100_000_000
    }
    guard mode == .always else { return (node, 1) }
    let image = try FaultyModule.image(2, failure)
    let transaction = try node.install(image)
    _ = try node.agent.activate(transaction)
    try node.load()
    try node.confirm(transaction, image)
    return (node, 2)
  }

  private func expectAudit(of node: GuardedNode) throws {
    let isTold = eventually(within: 60) {
      (try? node.auditLines())?.contains { $0.contains("stable-faulted") } == true
    }
    #expect(isTold)
    let lines = try node.auditLines()
    let told = try #require(lines.first { $0.contains(#""event":"stable-faulted""#) })
    for word in [#""side":"stable""#, #""copy_of":0"#, #""module":"qer"#, #""worker":"shadow""#] {
      #expect(told.contains(word), "\(told)")
    }
    #expect(
      lines.contains { $0.contains("stable has faulted on a copy") && $0.contains("rolled-back") })
    for event in ["faulted", "reverted", "breaker-opened", "quarantined"] {
      #expect(!lines.contains { $0.contains(#""event":"\#(event)""#) }, "\(event)")
    }
  }

  /// What an operator sees.
  private func expectListing(at socket: String, _ cause: String) throws {
    guard let hitless = try? BuiltProduct.path("hitless") else { return }
    let listed = try run(hitless, ["agent", "--socket", socket, "list"]).output
    #expect(listed.contains("results: inconclusive (stable has faulted on a copy"), "\(listed)")
    let line = "stable faulted on a copy of a batch of worker 0: \(cause) in qer 1.0."
    #expect(listed.contains(line) && !listed.contains("last fault"), "\(listed)")
  }

  private func expectMetrics(of node: GuardedNode, _ cause: String) {
    let metrics = node.agent.metrics()
    for line in [
      #"hitless_shadow_stable_faults_total{cause="\#(cause)"} 1"#,
      #"hitless_faults_total{cause="\#(cause)"} 0"#,
      #"hitless_breaker_state{module="qer",state="closed"} 1"#,
      #"hitless_rollbacks_total{module="qer",reason="inconclusive"} 1"#,
      "hitless_quarantined_patches 0",
    ] {
      #expect(metrics.contains("\n\(line)\n"), "\(line)")
    }
  }

  @Test func `a candidate that fails on the same copies still is what has failed`() throws {
    let node = try GuardedNode(workers: 1, copies: HandCopies(areBad: true))
    let transaction = try node.install(try FaultyModule.image(2, .segv))
    _ = try node.agent.activate(transaction, shadow: plan(1_000_000))
    try loadUntilOver(node)
    for word in [#""reason":"fault""#, #""event":"faulted""#] {
      #expect(
        eventually(within: 60) { (try? node.auditLines())?.contains { $0.contains(word) } == true })
    }
    #expect(node.agent.lastFault?.worker == ShadowBench.name)
    #expect(node.agent.shadowStableFault == nil)
    #expect(!node.agent.metrics().contains(/hitless_shadow_stable_faults_total\{.*\} [1-9]/))
    #expect(throws: Refusal.self) { _ = try node.agent.activate(transaction) }
    node.expectConservation()
  }

  /// The watchdog used to rest as soon as the trial was over, and the rollback then waited for ever.
  @Test(
    .disabled(if: Sanitizer.isAny, "sanitizers hold back the signal that ends a loop"),
    arguments: [true, false])
  func `a rollback in the middle of a loop waits for the time budget and no longer`(
    isStables: Bool
  ) async {
    await #expect(processExitsWith: .success) { [isStables = isStables as Bool] in
      alarm(120)
      let copies = HandCopies(areBad: true)
      let stable = try FaultyModule.image(1, isStables ? .loop : nil)
      let node = try GuardedNode(workers: 1, qer: stable, copies: copies) {
        $0.guarding.batchBudget = 2_000_000_000
      }
      let transaction = try node.install(try FaultyModule.image(2, .loop))
      _ = try node.agent.activate(
        transaction, shadow: ShadowPlan(share: RolloutPlan.all, batches: 1_000_000))
      let runs: UInt64 = isStables ? 1 : 2
      while copies.begun.load(ordering: .acquiring) < runs { try node.load(rounds: 1) }
      _ = try node.agent.rollback(transaction)
      #expect(node.agent.status().transactionState == .rolledBack)
      #expect((node.agent.shadowStableFault != nil) == isStables)
      node.expectConservation()
    }
  }

  /// The copy is held up, so that the look that finds enough of them equal comes before the fault.
  @Test func `a fault of stable on the last copy is not too late, though it was decided to go on`()
    async
  {
    await #expect(processExitsWith: .success) {
      alarm(300)
      let copies = HandCopies(areBad: false)
      copies.limit.store(2, ordering: .releasing)
      let node = try GuardedNode(workers: 1, qer: try FaultyModule.image(1, .segv), copies: copies)
      let transaction = try node.install(try FaultyModule.image(2))
      _ = try node.agent.activate(
        transaction, shadow: ShadowPlan(share: RolloutPlan.all, duration: 5_000_000_000, batches: 1)
      )
      while copies.begun.load(ordering: .acquiring) < 2 { try node.load(rounds: 2) }
      try node.load(rounds: 2)
      let isDecided = eventually(within: 120) {
        (try? node.auditLines())?.contains { $0.contains(#""action":"advance""#) } == true
      }
      #expect(isDecided)
      copies.areBad.store(true, ordering: .releasing)
      copies.limit.store(.max, ordering: .releasing)
      #expect(eventually(within: 60) { node.agent.status().transactionState == .rolledBack })
      #expect(node.agent.shadowStableFault != nil)
      node.expectConservation()
      #expect(node.marks[2] == nil, "a worker has run it: \(node.marks)")
    }
  }

  @Test
  func `a fault of stable is told whole while a candidate's waits to be read, and by nobody else`()
    async
  {
    await #expect(processExitsWith: .success) {
      alarm(300)
      try ShadowTests().faultByTurns()
    }
  }

  private func faultByTurns() throws {
    let home = try GuardedDomain(.segv)
    let copies = HandCopies(areBad: true, slot: 0)
    let bench = try ShadowBench(unsafe ShadowHost(copies.options), in: home.room)
    bench.enter()
    defer { bench.leave() }
    let byte: [UInt8] = [0]
    func compare(_ stable: Generation, _ candidate: Generation) -> ShadowBench.Outcome {
      unsafe byte.withUnsafeBytes { bytes in
        unsafe bench.compare(
          bytes, stable.record, candidate.record, breaker: candidate.breaker.record)
      }
    }
    for _ in 0..<3 {
      guard case .faulted = compare(home.stable, home.candidate) else {
        Issue.record("the candidate has not faulted")
        return
      }
      #expect(home.candidate.breaker.isOpen)
      home.candidate.breaker.close()
      // The faulty one is what is stable now.
      guard case .stableFaulted(let fault) = compare(home.candidate, home.stable) else {
        Issue.record("stable has not faulted")
        return
      }
      #expect(fault.generation == home.candidate.number && fault.reason.name == "SIGSEGV")
      #expect(fault.instruction != 0 && fault.worker == ShadowBench.name)
      #expect(fault.nanosecondsToStable < 60_000_000_000)
      #expect(!home.candidate.breaker.isOpen && !home.stable.breaker.isOpen)
    }
    // One report, two that found no room: all of them the candidate's.
    #expect(home.room.all.reduce(0) { $0 + $1.unreported } == 2)
    #expect(home.takeFault()?.reason.name == "SIGSEGV")
    #expect(home.takeFault()?.reason == .unreported)
    #expect(!home.room.hasFault(of: home.candidate.number))
    guard case .stableFaulted = compare(home.candidate, home.stable) else {
      Issue.record("stable has not faulted")
      return
    }
    #expect(!home.room.hasFault(of: home.candidate.number))
  }
}
