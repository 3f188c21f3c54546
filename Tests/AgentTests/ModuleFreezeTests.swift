import AgentControl
import Bytes
import Digests
import Glibc
import Guard
import HotSwap
import Journal
import Platform
import Refusal
import TestSupport
import Testing
import Verification

@testable import Agent

/// What keeps out the patches of one module, and what counts its failures only.
@Suite("Freeze and breakers of single modules")
struct ModuleFreezeTests {
  let site: Site

  init() throws { site = try Site() }

  private func state(_ agent: Agent, _ module: String) -> String? {
    BreakerCondition.allCases.map(\.rawValue).first { state in
      agent.metrics().contains(
        "hitless_breaker_state{module=\"\(module)\",state=\"\(state)\"} 1\n")
    }
  }

  @Test func `patches of a frozen module are kept out, over restarts too, and no others`() throws {
    let peer = PeerCredentials(process: 4711, user: 1000, group: 100)
    do {
      let agent = try site.start()
      #expect(try agent.freeze(module: "alpha", reason: "a look", by: .peer(peer)) == nil)
      #expect(refusalKind { _ = try agent.install(patch: try site.patch()) } == .frozen)
      #expect(
        refusalKind { _ = try agent.install(patch: try site.patch(["alpha", "beta"])) } == .frozen)
      try agent.close()
    }
    let agent = try site.start()
    defer { try? agent.close() }
    let refused = try #require(throws: Refusal.self) { try agent.install(patch: try site.patch()) }
    #expect(refused.kind == .frozen && refused.message.contains("module 'alpha' is frozen: a look"))
    #expect(refused.hint?.contains("release --module alpha") == true)
    let number = try agent.install(patch: try site.patch(["beta"]))
    _ = try agent.activate(number)
    try agent.confirm(number)
    #expect(!agent.status().isFrozen)
    #expect(state(agent, "alpha") == "forced_open" && state(agent, "beta") == "closed")
    #expect(agent.metrics().contains("\nhitless_frozen_modules 1\n"))
    #expect(agent.metrics().contains("\nhitless_frozen 0\n"))
    let held = agent.protectionListing().namedValue?["held"]?.arrayValue ?? []
    #expect(held.count == 1 && held.first?.namedValue?["module"] == .text("alpha"))
    #expect(held.first?.namedValue?["user"] == .unsigned(1000))
    try agent.release(module: "alpha", by: .peer(peer))
    #expect(refusalKind { try agent.release(module: "alpha", by: .host) } == .state)
    _ = try agent.install(patch: try site.patch(sequence: 9))
    let log = String(decoding: contents(of: "\(site.state)/audit.jsonl") ?? [], as: UTF8.self)
    for event in ["frozen", "released"] {
      let line = try #require(log.split(separator: "\n").first { $0.contains("\"\(event)\"") })
      #expect(line.contains(#""process":4711,"module":"alpha""#), "\(line)")
    }
  }

  @Test func `a candidate that changes the module goes out, and may come back after the release`()
    throws
  {
    let agent = try site.start()
    defer { try? agent.close() }
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    #expect(try agent.freeze(module: "beta", reason: "not this", by: .host) == nil)
    #expect(agent.status().transactionState == .active)
    #expect(try agent.freeze(module: "alpha", reason: "this", by: .host) == number)
    #expect(agent.status().transactionState == .rolledBack)
    #expect(refusalKind { _ = try agent.activate(number) } == .frozen)
    #expect(
      refusalKind { _ = try agent.exercise(number, count: 2, intervalNanoseconds: 0) } == .frozen)
    try agent.release(module: "alpha", by: .host)
    _ = try agent.activate(number)
    try agent.confirm(number)
  }

  @Test func `a release without a module ends all orders, one of a module only its own`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    _ = try agent.freeze(module: "alpha", reason: "one", by: .host)
    _ = try agent.freeze(module: "beta", reason: "two", by: .host)
    try agent.release(module: "beta", by: .host)
    #expect(refusalKind { _ = try agent.install(patch: try site.patch()) } == .frozen)
    try agent.release(by: .host)
    #expect(refusalKind { try agent.release(by: .host) } == .state)
    _ = try agent.freeze(reason: "all", by: .host)
    #expect(refusalKind { try agent.release(module: "alpha", by: .host) } == .state)
    #expect(refusalKind { _ = try agent.install(patch: try site.patch()) } == .frozen)
    try agent.release(by: .host)
    _ = try agent.install(patch: try site.patch())
  }

  @Test func `a module that is not in force is not frozen`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    #expect(refusalKind { _ = try agent.freeze(module: "gamma", reason: "?", by: .host) } == .usage)
    #expect(try journalRecord()?.held.isEmpty ?? true)
  }

  private func journalRecord() throws -> BreakerRecord? {
    try contents(of: "\(site.state)/breakers").map { try BreakerRecord(parsing: $0) }
  }

  @Test func `a record with modules is of a new format, one without is of the old one`() throws {
    var record = BreakerRecord(
      at: Moment(boot: "b", uptime: 5, wall: 6),
      frozen: BreakerRecord.Hold(time: 7, user: 1000, reason: "look"), stopped: nil, entries: [])
    let old = try CBOR(parsing: record.encoded).mapValue ?? [:]
    #expect(old[.text("format")] == .unsigned(1) && old.count == 7)
    #expect(try BreakerRecord(parsing: record.encoded) == record)
    record.held = [
      "alpha": BreakerRecord.Hold(time: 8, user: nil, reason: "one"),
      "beta": BreakerRecord.Hold(time: 9, user: 0, reason: "two"),
    ]
    let new = try CBOR(parsing: record.encoded).mapValue ?? [:]
    #expect(new[.text("format")] == .unsigned(2) && new.count == 8)
    #expect(try BreakerRecord(parsing: record.encoded) == record)
    for count in record.encoded.indices {
      #expect(throws: (any Error).self) {
        try BreakerRecord(parsing: Array(record.encoded.prefix(count)))
      }
    }
    for wrong: CBOR in [.map([:]), .null, .map([.unsigned(1): .null]), .map([.text("a"): .null])] {
      var fields = new
      fields[.text("held")] = wrong
      #expect(throws: (any Error).self) { try BreakerRecord(parsing: CBOR.map(fields).encoded) }
    }
  }

  /// More of them than may be kept made a record that could not be read again.
  @Test func `a hostile record is refused, and what was kept is added up to the limit`() throws {
    let hold = BreakerRecord.Hold(time: 8, user: nil, reason: "one")
    let long = BreakerRecord.Hold(
      time: 8, user: nil, reason: String(repeating: "x", count: BreakerRecord.reasonLimit + 1))
    var record = BreakerRecord(
      at: Moment(boot: "b", uptime: 5, wall: 6), frozen: nil, stopped: nil, entries: [])
    for name in ["", "../a", "A", "a\u{1b}[0m", String(repeating: "n", count: 32)] {
      (record.held, record.entries) = (["alpha": hold, name: hold], [])
      #expect(throws: (any Error).self) { try BreakerRecord(parsing: record.encoded) }
      (record.held, record.entries) = ([:], [entry("alpha"), entry(name)])
      #expect(throws: (any Error).self) { try BreakerRecord(parsing: record.encoded) }
    }
    (record.held, record.entries) = (["alpha": long], [])
    #expect(throws: (any Error).self) { try BreakerRecord(parsing: record.encoded) }
    (record.held, record.frozen) = ([:], long)
    #expect(throws: (any Error).self) { try BreakerRecord(parsing: record.encoded) }
    let names = (0..<BreakerRecord.heldLimit).map { "m\($0)" }
    var protection = Protection(BreakerRules(), LoadRules(), [:])
    protection.held = ["since": hold]
    protection.hold(Dictionary(uniqueKeysWithValues: names.map { ($0, hold) }))
    #expect(protection.held.count == BreakerRecord.heldLimit && protection.held["since"] == hold)
    (record.held, record.frozen) = (protection.held, nil)
    #expect(try BreakerRecord(parsing: record.encoded) == record)
  }

  private func entry(_ module: String) -> BreakerRecord.Entry {
    BreakerRecord.Entry(
      patch: SHA256Digest(of: [1]), module: module, openings: 1, isQuarantined: false, left: 0)
  }

  /// The order was overwritten by what the record said, which was written before it was given.
  @Test func `an order that is given while the record cannot be read holds when it can be`() throws
  {
    do {
      let agent = try site.start()
      _ = try agent.freeze(module: "beta", reason: "before", by: .host)
      try agent.close()
    }
    let record = "\(site.state)/breakers"
    try #require(unsafe rename(record, record + ".aside") == 0)
    try #require(unsafe mkdir(record, 0o700) == 0)
    let agent = try site.start()
    defer { try? agent.close() }
    #expect(refusalKind { _ = try agent.freeze(reason: "meanwhile", by: .host) } == .io)
    try #require(unsafe rmdir(record) == 0)
    try #require(unsafe rename(record + ".aside", record) == 0)
    _ = try agent.freeze(module: "alpha", reason: "now", by: .host)
    let kept = try #require(try journalRecord())
    #expect(kept.frozen?.reason == "meanwhile")
    #expect(kept.held.mapValues(\.reason) == ["alpha": "now", "beta": "before"])
  }

  @Test func `of a module whose failures are only counted no breaker opens, of the others it does`()
    throws
  {
    var rules = BreakerRules()
    rules.isMetricsOnly = true
    site.options.breakers["alpha"] = rules
    let agent = try site.start()
    defer { try? agent.close() }
    let number = try agent.install(patch: try site.patch(["alpha", "beta"]))
    #expect(state(agent, "alpha") == "metrics_only" && state(agent, "beta") == "closed")
    for module in ["alpha", "beta"] {
      let patch = agent.state.withLock { $0.transaction?.patch.identity }
      let opened = agent.noteFailure(.fault, of: module, patch, [module])
      #expect(opened.map(\.module) == (module == "alpha" ? [] : ["beta"]))
      #expect(
        (refusalKind { _ = try agent.activate(number) } == .breakerOpen) == (module == "beta"))
      if module == "alpha" { try agent.rollback(number, because: .health) }
      if module == "alpha" { _ = try agent.release(patch: identity(agent), by: .host) }
    }
    #expect(state(agent, "alpha") == "metrics_only" && state(agent, "beta") == "open")
    #expect(agent.metrics().contains("hitless_breaker_failures_total{source=\"fault\"} 2\n"))
  }

  private func identity(_ agent: Agent) -> String {
    agent.state.withLock { $0.transaction?.patch.identity.hex } ?? ""
  }

  @Test func `of a half-open breaker the module decides that needs most`() throws {
    var rules = BreakerRules()
    (rules.batches, rules.successes) = (4096, 4000)
    let protection = Protection(BreakerRules(), LoadRules(), ["beta": rules])
    #expect(protection.probeRules(of: ["alpha", "beta"]) == rules)
    #expect(protection.probeRules(of: ["alpha"]) == BreakerRules())
    rules.successes = 5000
    site.options.breakers["beta"] = rules
    #expect(refusalKind { _ = try site.open() } == .usage)
    site.options.breakers = ["no module": BreakerRules()]
    #expect(refusalKind { _ = try site.open() } == .path)
  }

  /// Whoever answers for faults took the bit by which workers are put on stable for one that a worker has set.
  @Test func `a freeze that is taken back before its rollback is no fault`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    let room = agent.state.withLock { state in
      state.takeCandidateOut()
      return state.running?.domain.room
    }
    for _ in 0..<20 {
      room?.ringForAnswer()
      _ = Monitor(0).wait(until: .after(5_000_000)) { _ in nil as Int? }
    }
    #expect(agent.status().counters.faults == 0)
    #expect(agent.status().transactionState == .active)
    try agent.rollback(number)
    _ = try agent.activate(number)
  }
}
