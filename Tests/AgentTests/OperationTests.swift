import AgentControl
import Bytes
import HotSwap
import Platform
import Refusal
import TestSupport
import Testing

@testable import Agent

@Suite("Exercise and doctor")
struct ExerciseTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func `an exercise swaps as often as it was asked to and ends where it began`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    let report = try agent.exercise(number, count: 100, intervalNanoseconds: 0)
    #expect(report.swaps == 100)
    #expect(report.publish.count == 100 && report.grace.count == 100)
    #expect(report.publish == report.publish.sorted())
    #expect(agent.status().transactionState == .staged)
    #expect(worker.results == [31, 31])
    _ = try agent.activate(number)
    _ = try agent.exercise(number, count: 10, intervalNanoseconds: 0)
    #expect(agent.status().transactionState == .active)
    #expect(eventually { worker.results == [32, 31] })
    worker.stop()
    try agent.close()
  }

  @Test func `an exercise does not outlive the time to confirm`() throws {
    site.options.confirmTimeout = 10_000_000_000
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    let report = try agent.exercise(number, count: 100_000, intervalNanoseconds: 1_000_000)
    #expect(report.swaps < 100_000)
    #expect(eventually { agent.status().transactionState == .rolledBack })
    #expect(eventually { worker.results == [31, 31] })
    worker.stop()
    try agent.close()
  }

  /// Whoever asked for it may be gone.
  @Test func `an exercise of what is only staged ends with the time to confirm, too`() throws {
    site.options.confirmTimeout = 3_000_000_000
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    let report = try agent.exercise(number, count: 100_000, intervalNanoseconds: 600_000_000_000)
    #expect(report.swaps == 2)
    #expect(agent.status().transactionState == .staged)
    #expect(eventually { worker.results == [31, 31] })
    worker.stop()
    try agent.close()
  }

  @Test func `an order without a transaction is refused, and that is written down`() throws {
    site.options.controlSocket = site.directory.path("agent.sock")
    let agent = try site.start()
    let client = try ControlClient(path: site.directory.path("agent.sock"))
    for verb in ["activate", "confirm", "rollback", "exercise"] {
      #expect(throws: Refusal.self) { try client.ask(ControlRequest(verb, [:])) }
    }
    #expect(agent.status().counters.refusals == 4)
    #expect(try site.auditKinds().filter { $0 == "refused" }.count == 4)
    try agent.close()
  }

  @Test func `the end of the time to confirm does not wait for an exercise's next swap`() throws {
    site.options.confirmTimeout = 10_000_000_000
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    let begin = MonotonicClock.now
    let report = try agent.exercise(number, count: 4, intervalNanoseconds: 120_000_000_000)
    #expect(report.swaps == 2 && MonotonicClock.now - begin < 110_000_000_000)
    #expect(eventually { agent.status().transactionState == .rolledBack })
    #expect(eventually { worker.results == [31, 31] })
    worker.stop()
    try agent.close()
  }

  @Test func `a freeze takes the candidate of an exercise out of force at once`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    let swaps = Guarded<UInt64>(0)
    let thread = try SystemThread.start("test-exercise") {
      let report = try? agent.exercise(number, count: 4, intervalNanoseconds: 120_000_000_000)
      swaps.withLock { $0 = report?.swaps ?? 0 }
    }
    #expect(eventually { worker.results != [31, 31] && !worker.results.isEmpty })
    #expect(try agent.freeze(reason: "enough", by: .host) == nil)
    thread.join()
    #expect(swaps.withLock { $0 } == 2)
    #expect(eventually { worker.results == [31, 31] })
    try agent.release(by: .host)
    worker.stop()
    try agent.close()
  }

  /// The exercise admitted the candidate's batches again, for its first pair of swaps.
  @Test func `a freeze that comes as an exercise begins is not taken back by it`() throws {
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    // As an exercise has it before it prepares the breaker.
    let transaction = try #require(
      agent.state.withLock { state in
        state.operation = Agent.exerciseOperation
        return state.transaction
      })
    let breaker = transaction.generation.breaker
    let freeze = try SystemThread.start("test-freeze") {
      _ = try? agent.freeze(reason: "now", by: .host)
    }
    #expect(eventually { breaker.isOpen })
    agent.prepareBreaker(of: transaction, isProbe: false)
    #expect(breaker.isOpen)
    agent.state.withLock { $0.operation = nil }
    freeze.join()
    try agent.release(by: .host)
    _ = try agent.activate(number)
    #expect(!breaker.isOpen)
    try agent.close()
  }

  @Test func `an exercise of nothing, or without end, is refused`() throws {
    let agent = try site.start()
    expectRefusal(.state) { _ = try agent.exercise(1, count: 5, intervalNanoseconds: 0) }
    expectRefusal(.limit) { _ = try agent.exercise(1, count: 0, intervalNanoseconds: 0) }
    expectRefusal(.limit) { _ = try agent.exercise(1, count: .max, intervalNanoseconds: 0) }
    try agent.close()
  }

  @Test func `the doctor finds a sound host fine`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let findings = agent.doctor()
    #expect(findings.filter { !$0.isFine }.isEmpty, "\(findings)")
    worker.stop()
    try agent.close()
  }

  @Test func `the doctor tells the kernel's setting for memory files`() throws {
    let agent = try site.start()
    let finding = try #require(agent.doctor().first { $0.subject == "memory files" })
    #expect(finding.detail.contains("vm.memfd_noexec"))
    try agent.close()
  }

  @Test func `the doctor walks the chain of the audit log`() throws {
    let agent = try site.start()
    func finding() throws -> DoctorFinding {
      try #require(agent.doctor().first { $0.subject == "audit log" })
    }
    #expect(try finding().isFine)
    let log = "\(site.state)/audit.jsonl"
    var content = try #require(contents(of: log))
    let place = try #require(content.firstIndex(of: UInt8(ascii: "o")))
    content[place] = UInt8(ascii: "0")
    try site.directory.write("state/audit.jsonl", content)
    #expect(try !finding().isFine)
    try agent.close()
  }

  @Test func `the doctor names what is missing`() throws {
    site.options.trustKeys = [site.directory.path("nobody.pub")]
    let agent = try site.start()
    let ill = agent.doctor().filter { !$0.isFine }.map(\.subject)
    #expect(ill == ["trusted keys", "workers"])
    try agent.close()
  }
}

@Suite("Control socket of an agent")
struct AgentControlSocketTests {
  let site: Site
  let path: String

  init() throws {
    site = try Site()
    path = site.directory.path("control")
    site.options.controlSocket = path
  }

  @Test func `an operator goes through the life of a transaction`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let client = try ControlClient(path: path)
    let installed = try client.ask(
      ControlRequest("install", ["patch": .bytes(try site.patch())]))
    let transaction = try #require(installed["transaction"]?.namedValue)
    let number = try #require(transaction["number"])
    #expect(transaction["state"] == .text("staged"))
    let activated = try client.ask(ControlRequest("activate", ["transaction": number]))
    #expect(activated["state"] == .text("active"))
    #expect(activated["swap"]?.namedValue?["publish_ns"]?.unsignedValue != nil)
    let confirmed = try client.ask(ControlRequest("confirm"))
    #expect(confirmed["state"] == .text("confirmed"))
    let listed = try client.ask(ControlRequest("list"))
    #expect(listed["confirmed"] == .unsigned(1))
    let modules = listed["stable"]?.namedValue?["modules"]?.arrayValue ?? []
    #expect(modules.map { $0.namedValue?["version"] } == [.text("1.0.1"), .text("1.0.0")])
    #expect(listed["workers"]?.arrayValue?.count == 1)
    worker.stop()
    try agent.close()
  }

  @Test func `a refusal arrives as it was thrown`() throws {
    let agent = try site.start()
    let client = try ControlClient(path: path)
    let broken = try Modules.image("alpha", 1) { $0.extra = "int writable = 1;" }
    #expect(broken.count > 0)
    var patch = try site.patch()
    patch[patch.count - 1] ^= 1
    let direct = #expect(throws: Refusal.self) { try agent.install(patch: patch) }
    let remote = #expect(throws: Refusal.self) {
      try client.ask(ControlRequest("install", ["patch": .bytes(patch)]))
    }
    #expect(remote == direct)
    // The connection goes on.
    _ = try client.ask(ControlRequest("list"))
    try agent.close()
  }

  @Test(arguments: [
    ControlRequest("destroy"), ControlRequest("install"),
    ControlRequest("install", ["patch": .text("x")]),
    ControlRequest("activate", ["transaction": .text("1")]),
  ])
  func `a request that makes no sense is a usage error`(request: ControlRequest) throws {
    let agent = try site.start()
    let client = try ControlClient(path: path)
    expectRefusal(.usage) { _ = try client.ask(request) }
    _ = try client.ask(ControlRequest("doctor"))
    try agent.close()
  }

  @Test func `a watcher sees every event in order`() throws {
    let agent = try site.start()
    let watcher = try ControlClient(path: path)
    var seen = [try watcher.ask(ControlRequest("watch", ["after": .unsigned(0)]))]
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    while seen.last?["kind"] != .text("activated") {
      seen.append(try #require(try watcher.next(within: 10_000_000_000)))
    }
    #expect(
      seen.map { $0["kind"]?.textValue } == [
        "opened", "started", "staged", "activating", "activated",
      ])
    #expect(seen.map { $0["number"] } == (1...5).map { .unsigned($0) })
    try agent.close()
  }

  /// A watcher that had gone used to keep its connection until the next event, and sixteen of them
  /// kept every operator out.
  @Test func `watchers that have gone make room`() throws {
    let agent = try site.start()
    for _ in 0..<(ControlServer.connectionLimit * 2) {
      #expect(eventually { canWatch })
    }
    try agent.close()
  }

  /// Whether a watcher is let in; it goes again at once.
  private var canWatch: Bool {
    let watcher = try? ControlClient(path: path)
    return (try? watcher?.ask(ControlRequest("watch", ["after": .unsigned(0)]))) != nil
  }

  @Test func `closing the agent ends its connections and removes the socket`() throws {
    let agent = try site.start()
    let watcher = try ControlClient(path: path)
    _ = try watcher.ask(ControlRequest("watch", ["after": .unsigned(0)]))
    try agent.close()
    var isOver = false
    while !isOver { isOver = (try? watcher.next(within: 10_000_000_000)).flatMap(\.self) == nil }
    let error = #expect(throws: Refusal.self) { try ControlClient(path: path) }
    #expect(error?.hint != nil)
  }
}
