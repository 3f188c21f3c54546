import Agent
import Foundation
import Guard
import HotSwap
import Probation
import Refusal
import TestSupport
import Testing

/// Token buckets of the reference UPF that change their layout under GTP-U.
///
/// Some tests have the modules that one ships, the others modules that keep a book in the buckets, by which one that
/// was lost, counted twice or read in the wrong layout is found.
@Suite("Records of the user plane", .serialized)
struct RecordTests {
  private static let old: UInt16 = 0x0002
  private static let new: UInt16 = 0x0100

  private func shippedNode(workers: Int, readOnly: Bool = false) throws -> GuardedNode {
    try GuardedNode(
      workers: workers, packetsAreReadOnly: readOnly,
      qer: try BuiltModules.bytes("qer", "1.0.2"))
  }

  private func bookNode(_ schema: Int = 1, _ macros: [String] = []) throws -> GuardedNode {
    try GuardedNode(workers: 2, qer: try RecordModule.image(schema, macros)) {
      $0.guarding.batchBudget = Sanitizer.isAny ? 5_000_000_000 : 20_000_000
      $0.breaker.isMetricsOnly = true
    }
  }

  private var flows: RolloutPlan {
    var plan = RolloutPlan()
    plan.kind = .flows
    plan.steps = RolloutPlan.steps(.flows, first: .share(32_768), later: [RolloutPlan.all])
    plan.dwell = 20_000_000_000
    return plan
  }

  private func expectRolledBack(_ node: GuardedNode, _ location: SourceLocation = #_sourceLocation)
  {
    let isBack = eventually(within: 60) {
      node.agent.status().transactionState == .rolledBack && !node.agent.isMigrating
    }
    #expect(isBack, sourceLocation: location)
  }

  @Test(arguments: [(1, 100_000), (2, 0)] as [(Int, UInt64)])
  func `buckets get another layout, go back, and get it for good`(
    workers: Int, eager: UInt64
  ) throws {
    let node = try shippedNode(workers: workers)
    try node.load()
    let image = try BuiltModules.bytes("qer", "1.1.0")
    let number = try node.install(image)
    _ = try node.agent.activate(number, eagerRecords: eager)
    try node.load()
    node.expectConservation()
    let moved = node.agent.migrationCounts.forward
    // Two for each user are those that packets need.
    #expect(eager > 0 ? moved == 8192 : moved == UInt64(2 * GuardedNode.users))
    try node.agent.rollback(number)
    let counts = node.agent.migrationCounts
    #expect(counts.back == counts.forward && counts.kept == 0)
    let byCandidate = node.marks[Self.new]
    try node.load()
    node.expectConservation()
    #expect(node.marks[Self.new] == byCandidate, "stable alone")
    _ = try node.agent.activate(number, eagerRecords: eager)
    try node.load()
    try node.confirm(number, image)
    #expect(node.agent.migrationCounts.forward == moved + 8192 && !node.agent.isMigrating)
    node.expectConservation()
    let byStable = node.marks[Self.old]
    try node.load()
    node.expectConservation()
    #expect(node.marks[Self.old] == byStable, "the candidate alone")
  }

  @Test(arguments: [false, true])
  func `a share of the flows has the new layout, the others keep the old one`(
    readOnly: Bool
  ) throws {
    let node = try shippedNode(workers: 2, readOnly: readOnly)
    let number = try node.install(try BuiltModules.bytes("qer", "1.1.0"))
    _ = try node.agent.activate(number, flows, eagerRecords: 0)
    try node.load()
    node.expectConservation()
    #expect((node.marks[Self.old] ?? 0) > 0 && (node.marks[Self.new] ?? 0) > 0, "\(node.marks)")
    #expect(node.agent.migrationCounts.forward < UInt64(2 * GuardedNode.users))
    try node.agent.rollback(number)
    try node.load()
    node.expectConservation()
  }

  /// What a hook may do to one bucket, and how many are moved at once.
  static let mistakes = [("FAILS", 100_000), ("FAULTS", 0), ("FAULTS", 100_000), ("LOOPS", 0)]
    .filter { $0.0 != "LOOPS" || !Sanitizer.isThread }

  @Test(arguments: mistakes)
  func `a bucket that cannot be moved takes the candidate out of force, and is what it was`(
    mistake: String, eager: Int
  ) throws {
    let node = try bookNode()
    try node.load(trigger: [0])
    let number = try node.install(try RecordModule.image(2, [mistake]))
    _ = try node.agent.activate(number, eagerRecords: UInt64(eager))
    try node.load()
    expectRolledBack(node)
    try node.load()
    node.expectConservation()
    try node.expectBooks()
    let counts = node.agent.migrationCounts
    #expect(counts.failures == 1 && counts.back == counts.forward && counts.kept == 0)
    let isTold = eventually(within: 60) {
      (try? node.auditLines())?.contains { $0.contains(#""reason":"migration""#) } == true
    }
    #expect(isTold)
    #expect(node.agent.metrics().contains(#"reason="migration"} 1"#))
  }

  @Test func `a bucket whose way back goes wrong is what it was before, no other one is`() throws {
    let node = try bookNode()
    try node.load(trigger: [0])
    node.expectConservation()
    let before = try node.bookedPackets(user: 4, direction: 0)
    let number = try node.install(try RecordModule.image(2, ["FAILS", "BACK"]))
    _ = try node.agent.activate(number)
    try node.load()
    // What is still on its way would be booked after the way back.
    node.expectConservation()
    try node.agent.rollback(number)
    node.expectConservation()
    #expect(node.agent.migrationCounts.kept == 1)
    try node.expectBooks(except: (user: 4, direction: 0, packets: before))
  }

  @Test(arguments: [false, true])
  func `copies of batches have buckets of whichever layout stable has`(isEqual: Bool) throws {
    let node = try bookNode(2)
    try node.load()
    let number = try node.install(
      try RecordModule.image(2, isEqual ? ["POISONED"] : ["BENT"]))
    let shadow = ShadowPlan(share: RolloutPlan.all, batches: 60, allowed: 0)
    _ = try node.agent.activate(number, shadow: shadow)
    for _ in 0..<2000 where node.agent.shadowIsUnderWay { try node.load(rounds: 2) }
    #expect(node.agent.status().transactionState == (isEqual ? .active : .rolledBack))
    guard let report = node.agent.shadowReports.first else {
      #expect(isEqual && node.agent.status().shadow.compared >= 60)
      return
    }
    #expect(!isEqual && report.difference.name == "bucket")
    node.expectConservation()
    try node.expectBooks()
  }

  /// 10⁶ packets and 10³ events; instrumented code takes too long for all of them.
  @Test func `nothing is lost or counted twice by swaps, rollbacks and faults`() throws {
    let (events, packets) = Sanitizer.isAny ? (16, 16_000) : (1000, 1_000_000)
    let images = [try RecordModule.image(1, ["HOOKED"]), try RecordModule.image(2, ["POISONED"])]
    let node = try bookNode(1, ["HOOKED"])
    let rounds = packets / events / 64 + 1
    var (faults, confirmed) = (0, 0)
    var number = try node.install(images[1])
    for event in 0..<events {
      let isFault = event % 4 == 0 && confirmed % 2 == 0
      _ = try node.agent.activate(
        number, event % 4 == 1 ? flows : nil, eagerRecords: event % 4 == 2 ? 100_000 : 0)
      try node.load(rounds: rounds, trigger: isFault ? [event / 8 % 2] : [])
      if isFault {
        expectRolledBack(node)
        faults += 1
      } else if event % 4 == 3 {
        try node.confirm(number, images[(confirmed + 1) % 2])
        confirmed += 1
        number = try node.install(images[(confirmed + 1) % 2])
      } else {
        try node.agent.rollback(number)
      }
      try node.load(rounds: rounds)
      if event % 8 == 7 || event == events - 1 {
        node.expectConservation()
        try node.expectBooks()
      }
    }
    #expect(node.agent.migrationCounts.kept == 0 && node.agent.migrationCounts.failures == 0)
    #expect(node.injected >= UInt64(packets))
    #expect(confirmed == events / 4)
    #expect(node.agent.metrics().contains(#"reason="fault"} \#(faults)"#))
  }
}
