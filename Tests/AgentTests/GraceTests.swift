import Agent
import CHitless
import HotSwap
import Platform
import Refusal
import TestSupport
import Testing

@Suite("Workers that are late, and generations that are old")
struct GraceTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func `a worker that never reports is named, and nothing it may use is unmapped`() throws {
    // Long enough for the punctual one to be given a processor, however busy they are.
    site.options.graceTimeout = 2_000_000_000
    let agent = try site.start()
    let punctual = try TestWorker(agent, "punctual")
    let late = try TestWorker(agent, "late")
    late.stall()
    let number = try agent.install(patch: try site.patch())
    let report = try agent.activate(number)
    #expect(report.graceNanoseconds == nil)
    #expect(report.overdue.map(\.name) == ["late"])
    #expect(eventually { punctual.results == [32, 31] })
    try agent.confirm(number)
    #expect(site.mappedImages("alpha") == 2)
    #expect(try site.auditKinds().filter { $0 == "overdue" }.count == 2)
    // It was late, not lost.
    late.proceed()
    #expect(eventually { late.results == [32, 31] })
    late.stop()
    punctual.stop()
    try agent.close()
  }

  /// The grace period used to be waited for within the operation, so that a rollback was refused as
  /// busy for as long as a worker was late.
  @Test func `a rollback does not wait for the grace period of the activation`() throws {
    site.options.graceTimeout = 60_000_000_000
    let agent = try site.start()
    let late = try TestWorker(agent, "late")
    let number = try agent.install(patch: try site.patch())
    late.stall()
    let activation = try SystemThread.start("activates") { _ = try? agent.activate(number) }
    #expect(eventually { agent.status().transactionState == .active })
    // It is active a moment before its activation lets others do something.
    let rollback = try SystemThread.start("rolls-back") {
      _ = eventually { (try? agent.rollback(number)) != nil }
    }
    #expect(eventually { agent.status().transactionState == .rolledBack })
    late.proceed()
    activation.join()
    rollback.join()
    #expect(eventually { late.results == [31, 31] })
    late.stop()
    try agent.close()
  }

  /// A worker's thread may end by an exception, or by a host that forgets it.
  @Test func `a worker whose thread has ended is named, and keeps nothing mapped`() throws {
    let agent = try site.start()
    let thread = try SystemThread.start("dies") {
      guard let worker = unsafe try? agent.registerWorker(name: "ghost") else { return }
      _ = unsafe hitless_enter(worker)
    }
    thread.join()
    for version: UInt32 in 1...7 {
      let number = try agent.install(patch: try site.patch(from: version - 1, to: version))
      #expect(try agent.activate(number).overdue.isEmpty)
      try agent.confirm(number)
    }
    #expect(site.mappedImages("alpha") == Agent.keptGenerations + 1)
    #expect(try site.auditKinds().filter { $0 == "worker-ended" }.count == 1)
    #expect(!(try site.auditKinds().contains("overdue")))
    #expect(agent.status().overdueGenerations == 0)
    try agent.close()
  }

  @Test func `closing does not wait for a worker whose thread has ended`() throws {
    let agent = try site.start()
    let thread = try SystemThread.start("dies") {
      _ = unsafe try? agent.registerWorker(name: "ghost")
    }
    thread.join()
    try agent.close()
  }

  @Test func `an idle worker holds up nothing`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    worker.stop()
    let number = try agent.install(patch: try site.patch())
    #expect(try agent.activate(number).overdue.isEmpty)
    try agent.close()
  }

  @Test func `the newest generations stay mapped, older ones are let go`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let count: UInt32 = 8
    for version in 1...count {
      let number = try agent.install(patch: try site.patch(from: version - 1, to: version))
      _ = try agent.activate(number)
      try agent.confirm(number)
      #expect(worker.results == [31 + Int32(version), 31])
    }
    // The one in force and the last four.
    #expect(site.mappedImages("alpha") == Agent.keptGenerations + 1)
    #expect(site.mappedImages("beta") == 1)
    let objects = names(in: "\(site.state)/objects/sha256")
    // The confirmed set and the one before it: alpha twice, beta once.
    #expect(objects.count == 3)
    worker.stop()
    try agent.close()
  }

  @Test func `a late worker keeps its old generation for as long as it is late`() throws {
    site.options.graceTimeout = 10_000_000
    let agent = try site.start()
    let late = try TestWorker(agent, "late")
    late.stall()
    for version: UInt32 in 1...7 {
      let number = try agent.install(patch: try site.patch(from: version - 1, to: version))
      _ = try agent.activate(number)
      try agent.confirm(number)
    }
    // The batch it is in the middle of still has its code.
    #expect(site.mappedImages("alpha") == 8)
    late.proceed()
    #expect(eventually { late.results == [38, 31] })
    let number = try agent.install(patch: try site.patch(from: 7, to: 8))
    _ = try agent.activate(number)
    try agent.confirm(number)
    #expect(site.mappedImages("alpha") == Agent.keptGenerations + 1)
    late.stop()
    try agent.close()
  }
}

extension GraceTests {
  /// They were mapped without end.
  @Test func `where a worker never moves on no more patches are taken, until it does`() throws {
    site.options.graceTimeout = 1_000_000
    let agent = try site.start()
    let late = try TestWorker(agent, "late")
    late.stall()
    try fill(agent)
    let refused = try #require(throws: Refusal.self) {
      _ = try agent.install(patch: try site.patch())
    }
    let count = Agent.overdueGenerationLimit
    #expect(refused.kind == .busy && refused.message.hasPrefix("\(count) old"), "\(refused)")
    let finding = try #require(agent.doctor().first { $0.subject == "patches" })
    #expect(!finding.isFine && finding.detail.contains("do not move on"), "\(finding.detail)")
    // Nothing else has to happen first.
    late.proceed()
    #expect(eventually { agent.status().overdueGenerations == 0 })
    _ = try agent.install(patch: try site.patch())
    #expect(site.mappedImages("alpha") <= Agent.keptGenerations + 2)
    late.stop()
    try agent.close()
  }

  /// Only a swap asked whether its thread was still there, and none would have come.
  @Test func `a worker whose thread has ended keeps no patch out`() throws {
    site.options.graceTimeout = 1_000_000
    let agent = try site.start()
    let isFull = Monitor(false)
    let isThere = Monitor(false)
    let ghost = try SystemThread.start("dies") {
      guard let worker = unsafe try? agent.registerWorker(name: "ghost") else { return }
      _ = unsafe hitless_enter(worker)
      isThere.withLock { $0 = true }
      _ = isFull.wait(until: .after(60_000_000_000)) { $0 ? true : nil }
    }
    _ = isThere.wait(until: .after(60_000_000_000)) { $0 ? true : nil }
    try fill(agent)
    let patch = try site.patch()
    expectRefusal(.busy) { _ = try agent.install(patch: patch) }
    isFull.withLock { $0 = true }
    ghost.join()
    _ = try agent.install(patch: patch)
    #expect(agent.status().overdueGenerations == 0)
    try agent.close()
  }

  /// Rolls candidates back until as many of them stay mapped as may.
  private func fill(_ agent: Agent) throws {
    let patch = try site.patch()
    for _ in 0..<Agent.overdueGenerationLimit {
      let number = try agent.install(patch: patch)
      _ = try agent.activate(number)
      try agent.rollback(number)
    }
    #expect(agent.status().overdueGenerations == Agent.overdueGenerationLimit)
  }
}

@Suite("Confirming in time")
struct ConfirmTimerTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func `nobody confirms: the candidate is rolled back`() throws {
    site.options.confirmTimeout = 10_000_000_000
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    #expect(eventually { worker.results == [32, 31] })
    #expect(eventually { agent.status().transactionState == .rolledBack })
    #expect(eventually { worker.results == [31, 31] })
    expectRefusal(.state) { _ = try agent.confirm(number) }
    #expect(agent.status().counters.rollbacks == 1)
    worker.stop()
    try agent.close()
  }

  @Test func `somebody confirms: nothing more happens`() throws {
    site.options.confirmTimeout = 10_000_000_000
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try agent.confirm(number)
    let last = try #require(newest(agent))
    #expect(agent.nextEvent(after: last, timeout: 11_000_000_000) == nil)
    #expect(agent.status().transactionState == .confirmed)
    try agent.close()
  }

  @Test func `the timer starts again with every activation`() throws {
    site.options.confirmTimeout = 150_000_000
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    var last: UInt64 = 0
    for round: UInt64 in 1...3 {
      _ = try agent.activate(number)
      // What is told of is over; the state is new a moment earlier, in the middle of the rollback.
      let isOver = eventually {
        while let event = agent.nextEvent(after: last, timeout: 0) {
          last = event.number
          if event.kind == "rolled-back" { return true }
        }
        return false
      }
      #expect(isOver && agent.status().transactionState == .rolledBack)
      #expect(agent.status().counters.rollbacks == round)
    }
    // Not one request was refused on the way.
    #expect(agent.status().counters.refusals == 0)
    try agent.close()
  }

  @Test func `closing does not wait for the timer`() throws {
    site.options.confirmTimeout = 3_600_000_000_000
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    let last = try #require(newest(agent))
    let start = MonotonicClock.now
    try agent.close(patience: 120_000_000_000)
    // Who waits for what has happened already is not told of it before the patience is over.
    #expect(MonotonicClock.now - start < 60_000_000_000)
    let closed = try #require(agent.nextEvent(after: last, timeout: 0))
    #expect(closed.kind == "closed" && closed.detail == "control socket and timer stopped")
  }

  private func newest(_ agent: Agent) -> UInt64? {
    var last: UInt64 = 0
    while let event = agent.nextEvent(after: last, timeout: 0) { last = event.number }
    return last == 0 ? nil : last
  }
}
