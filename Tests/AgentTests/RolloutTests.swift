import Agent
import AgentControl
import Bytes
import Foundation
import Generator
import Platform
import Probation
import Refusal
import TestSupport
import Testing

/// Candidates that do as well as stable, and candidates that do not, under traffic.
@Suite("Rollout of a candidate", .serialized)
struct RolloutTests {
  let site: Site

  init() throws { site = try Site() }

  /// Steps of a tenth of a second; times count only when they are far apart, because machines for tests are busy.
  private func plan(
    _ kind: RolloutPlan.Kind = .batches, _ first: RolloutPlan.Amount = .share(6554),
    confirmsByItself: Bool = true
  ) -> RolloutPlan {
    var plan = RolloutPlan()
    plan.kind = kind
    plan.steps = RolloutPlan.steps(kind, first: first, later: [32_768, RolloutPlan.all])
    plan.dwell = 100_000_000
    plan.confirmWithin = 30_000_000_000
    plan.confirmsByItself = confirmsByItself
    plan.thresholds.minimumSamples = 50
    plan.thresholds.medianPermille = 4000
    plan.thresholds.tailPermille = 1_000_000
    plan.thresholds.timeFloorNanoseconds = 5000
    return plan
  }

  private func patch(_ change: (inout TestModule) -> Void = { _ in }) throws -> [UInt8] {
    let target = try Modules.image("alpha", 1, change)
    return try site.patch(
      [
        PatchRequest.Pair(
          base: try Modules.cached("alpha", 0), target: target, names: ("base", "target"))
      ], sequence: 2)
  }

  /// Opens an agent that is told of drops, and starts it.
  private func start() throws -> (Agent, UInt32) {
    let agent = try site.open()
    let signal = try agent.defineSignal("dropped", .drops)
    try agent.start()
    return (agent, signal)
  }

  private func settled(_ agent: Agent) -> TransactionState {
    _ = eventually(within: 60) { agent.status().transactionState != .active }
    return agent.status().transactionState
  }

  @Test(arguments: [
    (RolloutPlan.Kind.batches, RolloutPlan.Amount.share(6554)), (.flows, .share(6554)),
    (.workers, .workers(1)), (.batches, .share(RolloutPlan.all)),
  ])
  func `a candidate that does as well passes all steps and is confirmed`(
    kind: RolloutPlan.Kind, first: RolloutPlan.Amount
  ) throws {
    let (agent, signal) = try start()
    let workers = try (0..<2).map { try RolloutWorker(agent, "w\($0)", dropSignal: signal) }
    let number = try agent.install(patch: try patch())
    _ = try agent.activate(number, plan(kind, first))
    #expect(settled(agent) == .confirmed, "\(log)")
    for worker in workers { worker.stop() }
    let stepped = try site.auditKinds().count { $0 == "stepped" }
    #expect(stepped == plan(kind, first).steps.count - 1)
    if kind == .flows {
      #expect(workers.allSatisfy { $0.flipped == 0 && $0.served == .max }, "a flow went back")
    }
    try agent.close()
    try expectReplay(atLeast: 2)
  }

  @Test(arguments: RolloutPlan.Kind.allCases)
  func `a slower candidate is rolled back for its health`(kind: RolloutPlan.Kind) throws {
    let (agent, signal) = try start()
    let workers = try (0..<2).map { try RolloutWorker(agent, "w\($0)", dropSignal: signal) }
    let number = try agent.install(patch: try patch { $0.loops = 30_000 })
    _ = try agent.activate(number, plan(kind, kind == .workers ? .workers(1) : .share(6554)))
    #expect(settled(agent) == .rolledBack)
    for worker in workers { worker.stop() }
    #expect(eventually { log.contains(#""reason":"health""#) }, "\(log)")
    // Whoever comes too late hears why.
    let refusal = #expect(throws: Refusal.self) { try agent.confirm(number) }
    let hint = refusal?.hint ?? ""
    #expect(hint.contains("because of 'health': ") && hint.count > 40, "\(hint)")
    try agent.close()
    try expectReplay(atLeast: 1)
  }

  /// With one worker there is nobody but itself, at another time, to compare a candidate on it with.
  @Test(arguments: [
    (RolloutPlan.Kind.batches, RolloutPlan.Amount.share(6554)), (.workers, .workers(1)),
  ])
  func `a candidate that drops more is rolled back for its health`(
    kind: RolloutPlan.Kind, first: RolloutPlan.Amount
  ) throws {
    let (agent, signal) = try start()
    let worker = try RolloutWorker(agent, dropSignal: signal)
    let number = try agent.install(patch: try patch { $0.unmarkedConstant = 3 })
    _ = try agent.activate(number, plan(kind, first))
    #expect(settled(agent) == .rolledBack)
    worker.stop()
    #expect(eventually { log.contains("dropped: ") }, "\(log)")
    #expect(eventually { log.contains(#""reason":"health""#) }, "\(log)")
    try agent.close()
    try expectReplay(atLeast: 1)
  }

  @Test func `a candidate of which too little is seen is rolled back when the time is over`() throws
  {
    let (agent, signal) = try start()
    let worker = try RolloutWorker(agent, dropSignal: signal)
    let number = try agent.install(patch: try patch())
    var plan = plan()
    plan.confirmWithin = 600_000_000
    plan.thresholds.minimumPackets = 1 << 39
    _ = try agent.activate(number, plan)
    #expect(settled(agent) == .rolledBack)
    worker.stop()
    #expect(eventually { log.contains(#""reason":"inconclusive""#) }, "\(log)")
    try agent.close()
    try expectReplay(atLeast: 2)
  }

  @Test func `without workers nothing is confirmed`() throws {
    let (agent, _) = try start()
    let number = try agent.install(patch: try patch())
    var plan = plan()
    plan.confirmWithin = 400_000_000
    _ = try agent.activate(number, plan)
    #expect(settled(agent) == .rolledBack)
    try agent.close()
  }

  @Test func `a rollout is confirmed by hand at its last step only`() throws {
    let (agent, signal) = try start()
    let worker = try RolloutWorker(agent, dropSignal: signal)
    let number = try agent.install(patch: try patch())
    var plan = plan(confirmsByItself: false)
    plan.dwell = 300_000_000
    _ = try agent.activate(number, plan)
    let refusal = #expect(throws: Refusal.self) { try agent.confirm(number) }
    #expect(refusal?.kind == .state && refusal?.hint?.contains("last step") == true)
    expectRefusal(.state) {
      _ = try agent.exercise(number, count: 10, intervalNanoseconds: 0)
    }
    #expect(eventually(within: 60) { (try? agent.confirm(number)) != nil })
    #expect(agent.status().transactionState == .confirmed)
    worker.stop()
    try agent.close()
    try expectReplay(atLeast: 3)
  }

  @Test func `a worker that registers in the middle of a step gets the view that is for it`() throws
  {
    let (agent, signal) = try start()
    let first = try RolloutWorker(agent, "first", dropSignal: signal)
    let number = try agent.install(patch: try patch())
    var plan = plan(.workers, .workers(1))
    plan.dwell = 10_000_000_000
    plan.confirmWithin = 100_000_000_000
    _ = try agent.activate(number, plan)
    let second = try RolloutWorker(agent, "second", dropSignal: signal)
    #expect(eventually { second.batches > 200 && first.candidates > 200 })
    #expect(second.candidates == 0)
    first.stop()
    // Its place is free: the next one takes it, and the candidate with it.
    let third = try RolloutWorker(agent, "third", dropSignal: signal)
    #expect(eventually { third.batches > 200 })
    #expect(third.candidates == third.batches && second.candidates == 0)
    _ = try agent.rollback(number)
    for worker in [second, third] { worker.stop() }
    try agent.close()
  }

  @Test func `a plan that makes no sense changes nothing`() throws {
    let (agent, _) = try start()
    let number = try agent.install(patch: try patch())
    var plan = plan()
    plan.steps.removeLast()
    expectRefusal(.usage) { _ = try agent.activate(number, plan) }
    #expect(agent.status().transactionState == .staged)
    try agent.close()
  }

  @Test func `signals have names, are few, and are defined before the start`() throws {
    let agent = try site.open()
    #expect(try agent.defineSignal("one", .errors) == 1)
    #expect(try agent.defineSignal("two", .gauge) == 2)
    expectRefusal(.state) { _ = try agent.defineSignal("one", .drops) }
    expectRefusal(.path) { _ = try agent.defineSignal("No name", .drops) }
    expectRefusal(.usage) { _ = try agent.defineSignal("packets", .packets) }
    for number in 3..<32 { _ = try agent.defineSignal("s\(number)", .drops) }
    expectRefusal(.limit) { _ = try agent.defineSignal("more", .drops) }
    try agent.start()
    expectRefusal(.state) { _ = try agent.defineSignal("late", .drops) }
    try agent.close()
  }

  @Test func `a client sees the step, the share, the next decision and what was found last`() throws
  {
    site.options.controlSocket = site.directory.path("control")
    let (agent, signal) = try start()
    let worker = try RolloutWorker(agent, dropSignal: signal)
    let number = try agent.install(patch: try patch())
    let client = try ControlClient(path: site.directory.path("control"))
    let request: [String: CBOR] = [
      "transaction": .unsigned(number), "canary": .text("batches"), "first_share": .unsigned(3277),
      "steps": .array([.unsigned(32_768), .unsigned(65_536)]), "dwell_ns": .unsigned(2_000_000_000),
      "confirm_within_ns": .unsigned(60_000_000_000),
      "thresholds": .named([
        "tail-permille": .unsigned(1_000_000), "median-permille": .unsigned(1_000_000),
      ]),
    ]
    _ = try client.ask(ControlRequest("activate", request))
    var rollout: [String: CBOR] = [:]
    #expect(
      eventually {
        let listed = try? client.ask(ControlRequest("list"))
        rollout = listed?["transaction"]?.namedValue?["rollout"]?.namedValue ?? [:]
        return rollout["verdict"] != .null && !rollout.isEmpty
      })
    #expect(rollout["share"] == .text("5 %") && rollout["kind"] == .text("batches"))
    #expect(rollout["next_decision_ns"]?.unsignedValue != nil)
    let unknown: [String: CBOR] = ["canary": .text("planets")]
    expectRefusal(.usage) { _ = try client.ask(ControlRequest("activate", unknown)) }
    _ = try client.ask(ControlRequest("rollback"))
    worker.stop()
    try agent.close()
  }

  /// Everything in the audit log.
  private var log: String {
    String(decoding: contents(of: "\(site.state)/audit.jsonl") ?? [], as: UTF8.self)
  }

  /// Decides again what is in the log; and that a changed input is found out.
  private func expectReplay(atLeast count: Int) throws {
    let hitless = try? BuiltProduct.path("hitless")
    guard let hitless else { return }
    let replayed = try run(hitless, ["agent", "replay", "--audit", site.state])
    #expect(replayed.status == 0, "\(replayed.errors)\(replayed.output)")
    #expect(replayed.output.split(separator: "\n").count { $0.hasSuffix(": same") } >= count)
  }
}
