import Platform
import Refusal
import TestSupport
import Testing

@testable import Agent

@Suite("Life of a transaction")
struct LifeTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func `a patch is staged, activated, confirmed, and there after a restart`() throws {
    do {
      let agent = try site.start()
      let worker = try TestWorker(agent)
      #expect(worker.results == [31, 31])
      let number = try agent.install(patch: try site.patch())
      #expect(agent.status().transactionState == .staged)
      #expect(worker.results == [31, 31])
      let report = try agent.activate(number)
      #expect(report.overdue.isEmpty && report.graceNanoseconds != nil)
      #expect(agent.status().transactionState == .active)
      #expect(eventually { worker.results == [32, 31] })
      try agent.confirm(number)
      #expect(agent.status().transactionState == .confirmed)
      #expect(worker.results == [32, 31])
      worker.stop()
      try agent.close()
    }
    let agent = try site.start()
    let worker = try TestWorker(agent)
    #expect(worker.results == [32, 31])
    worker.stop()
    #expect(
      try site.auditKinds() == [
        "opened", "started", "staged", "activating", "activated", "confirmed", "closed", "opened",
        "started",
      ])
    try agent.close()
  }

  @Test func `what was not confirmed is gone after a restart`() throws {
    do {
      let agent = try site.start()
      let number = try agent.install(patch: try site.patch())
      _ = try agent.activate(number)
      try agent.close()
    }
    let agent = try site.start()
    let worker = try TestWorker(agent)
    #expect(worker.results == [31, 31])
    worker.stop()
    // It counts as never accepted: the same patch may be tried again.
    _ = try agent.install(patch: try site.patch())
    try agent.close()
  }

  @Test func `a rolled-back candidate may be activated again`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    for _ in 0..<3 {
      _ = try agent.activate(number)
      #expect(eventually { worker.results == [32, 31] })
      try agent.rollback(number)
      #expect(agent.status().transactionState == .rolledBack)
      #expect(eventually { worker.results == [31, 31] })
    }
    _ = try agent.activate(number)
    try agent.confirm(number)
    #expect(worker.results == [32, 31])
    worker.stop()
    try agent.close()
  }

  /// A refused install used to drop the rolled-back candidate before it had looked at the new patch.
  @Test func `a refused install leaves the rolled-back candidate ready`() throws {
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try agent.rollback(number)
    #expect(throws: Refusal.self) { try agent.install(patch: [1, 2, 3]) }
    _ = try agent.activate(number)
    try agent.close()
  }

  @Test func `several modules of one patch change together, and go back together`() throws {
    let agent = try site.start()
    // 31 is the old answer of both modules, 32 the new one: never one of each.
    let worker = try TestWorker(agent) { $0[0] == $0[1] }
    let number = try agent.install(patch: try site.patch(["alpha", "beta"]))
    let report = try agent.exercise(number, count: 200, intervalNanoseconds: 200_000)
    #expect(report.swaps == 200)
    #expect(report.overdue == 0)
    _ = try agent.activate(number)
    #expect(eventually { worker.results == [32, 32] })
    #expect(!worker.isTorn)
    worker.stop()
    try agent.close()
  }

  @Test func `the next patch starts from the module that is mapped`() throws {
    let agent = try site.start()
    for version: UInt32 in 1...3 {
      let number = try agent.install(patch: try site.patch(from: version - 1, to: version))
      _ = try agent.activate(number)
      try agent.confirm(number)
    }
    // The file on disk is still the first version.
    let error = #expect(throws: Refusal.self) {
      try agent.install(patch: try site.patch(from: 0, to: 1, sequence: 9))
    }
    #expect(error?.kind == .wrongBase)
    try agent.close()
  }

  @Test func `a staged candidate that is rolled back was never in force`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    let report = try agent.rollback(number)
    #expect(report.publishNanoseconds == 0)
    #expect(agent.status().counters.rollbacks == 0)
    #expect(worker.results == [31, 31])
    // And there is room for another one.
    _ = try agent.install(patch: try site.patch())
    worker.stop()
    try agent.close()
  }

  @Test func `an order for a transaction of another time is refused`() throws {
    var old: UInt64 = 0
    do {
      let agent = try site.start()
      old = try agent.install(patch: try site.patch())
      try agent.close()
    }
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    #expect(number > old)
    for order in [old, number + 1, 0, UInt64.max] {
      let error = #expect(throws: Refusal.self) { try agent.activate(order) }
      #expect(error?.kind == .state)
    }
    try agent.close()
  }

  @Test func `steps out of order are refused and change nothing`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    expectRefusal(.state) { _ = try agent.confirm(number) }
    _ = try agent.activate(number)
    expectRefusal(.state) { _ = try agent.activate(number) }
    try agent.confirm(number)
    expectRefusal(.state) { _ = try agent.rollback(number) }
    expectRefusal(.state) { _ = try agent.activate(number) }
    #expect(worker.results == [32, 31])
    worker.stop()
    try agent.close()
    expectRefusal(.state) { _ = try agent.install(patch: try site.patch()) }
  }

  /// Who lost the answer was told that the order could not be carried out.
  @Test func `what was confirmed or rolled back may be ordered once more, and nothing happens`()
    throws
  {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    expectRefusal(.state) { _ = try agent.confirm(number) }
    _ = try agent.activate(number)
    #expect(!(try agent.rollback(number).isRepeated))
    #expect(try agent.rollback(number, because: .health).isRepeated)
    // Not while somebody is about to put it in force again.
    agent.state.withLock { $0.operation = "activate" }
    expectRefusal(.busy) { _ = try agent.rollback(number) }
    agent.state.withLock { $0.operation = nil }
    expectRefusal(.state) { _ = try agent.confirm(number) }
    _ = try agent.activate(number)
    #expect(!(try agent.confirm(number).isRepeated))
    let (before, kinds) = (agent.status().counters, try site.auditKinds())
    #expect(try agent.confirm(number).isRepeated)
    expectRefusal(.state) { _ = try agent.rollback(number) }
    expectRefusal(.state) { _ = try agent.confirm(number - 1) }
    let after = agent.status().counters
    #expect((after.confirmations, after.rollbacks) == (before.confirmations, before.rollbacks))
    #expect(try site.auditKinds() == kinds + ["refused", "refused"])
    #expect(worker.results == [32, 31])
    worker.stop()
    try agent.close()
  }

  @Test func `an agent with registered workers does not close`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    expectRefusal(.state) { try agent.close() }
    worker.stop()
    try agent.close()
  }

  @Test func `a second agent on the same state directory is busy`() throws {
    let agent = try site.start()
    expectRefusal(.busy) { _ = try site.open() }
    try agent.close()
  }

  @Test func `what happens can be watched, and nothing is missed`() throws {
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try agent.confirm(number)
    var kinds: [String] = []
    var last: UInt64 = 0
    while let event = agent.nextEvent(after: last, timeout: 0) {
      #expect(event.number == last + 1)
      last = event.number
      kinds.append(event.kind)
    }
    #expect(kinds == ["opened", "started", "staged", "activating", "activated", "confirmed"])
    #expect(agent.nextEvent(after: last, timeout: 1_000_000) == nil)
    try agent.close()
  }
}

/// Expects `body` to be refused with `kind`.
func expectRefusal(
  _ kind: RefusalClass, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) {
  let error = #expect(throws: Refusal.self, sourceLocation: sourceLocation, performing: body)
  #expect(error?.kind == kind, "\(String(describing: error))", sourceLocation: sourceLocation)
}
