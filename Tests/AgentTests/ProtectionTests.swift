import Foundation
import Digests
import Generator
import Glibc
import Journal
import Platform
import Refusal
import TestSupport
import Testing
import Verification

@testable import Agent

/// What keeps patches out, over restarts too.
@Suite("Freeze, quarantine, loads that fail")
struct ProtectionTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func `a frozen agent is frozen in its next life, and says who has asked and why`() throws {
    let peer = PeerCredentials(process: 4711, user: 1000, group: 100)
    do {
      let agent = try site.start()
      let number = try agent.install(patch: try site.patch())
      #expect(try agent.freeze(reason: "maintenance", by: .peer(peer)) == nil)
      #expect(refusalKind { _ = try agent.activate(number) } == .frozen)
      // Not closed: the host ends as it does by 'kill -9'.
    }
    let agent = try site.start()
    defer { try? agent.close() }
    let refused = try #require(throws: Refusal.self) {
      try agent.install(patch: try site.patch())
    }
    #expect(refused.kind == .frozen && refused.message.contains("maintenance"))
    #expect(agent.state.withLock { $0.protection.frozen?.user } == 1000)
    try agent.release(by: .peer(peer))
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try agent.confirm(number)
    let log = String(decoding: contents(of: "\(site.state)/audit.jsonl") ?? [], as: UTF8.self)
    for event in ["frozen", "released"] {
      let line = try #require(log.split(separator: "\n").first { $0.contains("\"\(event)\"") })
      #expect(line.contains(#""by":"operator","user":1000,"group":100,"process":4711"#), "\(line)")
    }
  }

  @Test func `a quarantine survives the host, and is lifted by name`() throws {
    let patch = try site.patch()
    do {
      let agent = try site.start()
      let number = try agent.install(patch: patch)
      for _ in 0..<3 {
        fail(agent, "alpha")
        agent.state.withLock { state in
          if let transaction = state.transaction {
            state.protection.breakers.probe(transaction.patch.identity)
          }
        }
      }
      #expect(refusalKind { _ = try agent.activate(number) } == .quarantined)
    }
    let agent = try site.start()
    defer { try? agent.close() }
    #expect(refusalKind { _ = try agent.install(patch: patch) } == .quarantined)
    #expect(agent.status().transactionState == .none)
    // Another patch is not concerned.
    let other = try agent.install(patch: try site.patch(to: 2))
    try agent.rollback(other)
    let identity = try #require(
      agent.state.withLock { $0.protection.breakers.quarantined.first }?.hex)
    _ = try agent.release(patch: String(identity.prefix(12)), by: .host)
    let number = try agent.install(patch: patch)
    _ = try agent.activate(number)
    try agent.close()
    let again = try site.start()
    defer { try? again.close() }
    _ = try again.install(patch: patch)
  }

  @Test func `an open breaker goes on waiting in the next life`() throws {
    let patch = try site.patch()
    do {
      let agent = try site.start()
      _ = try agent.install(patch: patch)
      fail(agent, "alpha")
    }
    let agent = try site.start()
    defer { try? agent.close() }
    let number = try agent.install(patch: patch)
    #expect(refusalKind { _ = try agent.activate(number) } == .breakerOpen)
  }

  @Test func `a record that cannot be read keeps every patch out, but lets hosts start`() throws {
    try site.start().close()
    try site.directory.write("state/breakers", [1, 2, 3])
    let agent = try site.start()
    defer { try? agent.close() }
    #expect(refusalKind { _ = try agent.install(patch: try site.patch()) } == .frozen)
    try agent.release(by: .host)
    _ = try agent.install(patch: try site.patch())
  }

  /// The next record was written over it, and quarantines were lost.
  @Test func `a record that a device did not give out is read again before patches are let in`()
    throws
  {
    let patch = try site.patch()
    do {
      let agent = try site.start()
      _ = try agent.install(patch: patch)
      fail(agent, "alpha")
    }
    let record = site.directory.path + "/state/breakers"
    try FileManager.default.moveItem(atPath: record, toPath: record + ".aside")
    try FileManager.default.createDirectory(
      atPath: record, withIntermediateDirectories: false)
    let agent = try site.start()
    defer { try? agent.close() }
    #expect(refusalKind { try agent.release(by: .host) } == .io)
    #expect(refusalKind { _ = try agent.install(patch: patch) } == .frozen)
    try FileManager.default.removeItem(atPath: record)
    try FileManager.default.moveItem(atPath: record + ".aside", toPath: record)
    try agent.release(by: .host)
    let number = try agent.install(patch: patch)
    #expect(refusalKind { _ = try agent.activate(number) } == .breakerOpen)
  }

  @Test func `a candidate that was worse than stable waits, one that was only given up does not`()
    throws
  {
    let agent = try site.start()
    defer { try? agent.close() }
    let number = try agent.install(patch: try site.patch())
    for reason in [RollbackReason.asked, .notConfirmed, .inconclusive, .health] {
      _ = try agent.activate(number)
      try agent.rollback(number, because: reason, detail: "\(reason)")
    }
    #expect(refusalKind { _ = try agent.activate(number) } == .breakerOpen)
    let metrics = agent.metrics()
    #expect(metrics.contains("hitless_breaker_failures_total{source=\"health\"} 1\n"))
    #expect(
      metrics.contains("hitless_rollbacks_total{module=\"alpha\",reason=\"health\"} 1\n"))
    #expect(metrics.contains("hitless_breaker_state{module=\"alpha\",state=\"open\"} 1\n"))
    #expect(try site.auditKinds().suffix(2) == ["breaker-opened", "refused"])
  }

  @Test func `three loads that fail in a row stop the agent until somebody releases it`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    for sequence in 2...4 {
      let module = try Modules.image("alpha", UInt32(sequence)) { $0.selftest = "return 7;" }
      let patch = try site.patch(
        [.init(base: try Modules.cached("alpha", 0), target: module, names: ("a", "b"))],
        sequence: UInt64(sequence))
      #expect(refusalKind { _ = try agent.install(patch: patch) } == .health)
    }
    let good = try site.patch(to: 5)
    let refused = try #require(throws: Refusal.self) { try agent.install(patch: good) }
    #expect(refused.kind == .frozen)
    #expect(refused.message.contains("3 loads in a row have failed"))
    let metrics = agent.metrics()
    #expect(metrics.contains("hitless_health_alarm{cause=\"loads\"} 1\n"))
    #expect(metrics.contains("hitless_loads_total{result=\"failed\"} 3\n"))
    #expect(metrics.contains("hitless_breaker_failures_total{source=\"load\"} 3\n"))
    #expect(metrics.contains("hitless_breaker_state{module=\"alpha\",state=\"forced_open\"} 1\n"))
    try agent.release(by: .host)
    #expect(agent.metrics().contains("hitless_health_alarm{cause=\"loads\"} 0\n"))
    _ = try agent.install(patch: good)
  }

  @Test func `a full or read-only disk keeps nobody from freezing, and that is said`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    // Where the record would be, there is a directory: no file takes its place.
    try #require(unsafe mkdir("\(site.state)/breakers", 0o700) == 0)
    let refused = try #require(throws: Refusal.self) {
      try agent.freeze(reason: "now", by: .host)
    }
    #expect(refused.hint?.contains("only until this host ends") == true)
    #expect(agent.status().transactionState == .rolledBack)
    #expect(refusalKind { _ = try agent.activate(number) } == .frozen)
  }

  private func fail(_ agent: Agent, _ module: String) {
    let patch = agent.state.withLock { $0.transaction?.patch.identity }
    let opened = agent.noteFailure(.fault, of: module, patch, [module])
    agent.reportOpening(of: opened, .fault, 0)
  }
}
