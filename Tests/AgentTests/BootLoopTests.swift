import Agent
import AgentControl
import Bytes
import Generator
import Refusal
import TestSupport
import Testing

/// A host that ends without closing, and what the next one makes of it.
@Suite("After a host has died")
struct BootLoopTests {
  let site: Site

  init() throws {
    site = try Site()
    site.options.controlSocket = site.directory.path("control")
  }

  @Test func `a candidate that was on trial counts as rolled back, and is said to be`() throws {
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try die(agent)
    let next = try site.start()
    #expect(try results(next) == [31, 31])
    #expect(next.status().counters.rollbacks == 1)
    #expect(endings(next) == ["alpha crash 1"])
    #expect(try audit().contains { $0.contains("\"rolled-back\"") && $0.contains(":\(number),") })
    #expect(kinds(next) == ["opened", "rolled-back", "breaker-opened", "started"])
    let listing = try ControlClient(path: site.directory.path("control")).ask(
      ControlRequest("list"))
    #expect(listing["last_run"]?.namedValue?["trial"] == .unsigned(number))
    #expect(listing["last_run"]?.namedValue?["ending"] == .text("died"))
    // It was the candidate, not the set: nothing was counted against that.
    #expect(listing["last_run"]?.namedValue?["deaths"] == .unsigned(0))
    // And the same patch may be tried again, after it has waited.
    let again = try next.install(patch: try site.patch())
    expectRefusal(.breakerOpen) { _ = try next.activate(again) }
    try next.close()
  }

  @Test func `a candidate that was on trial at an orderly end is said to be rolled back, too`()
    throws
  {
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try agent.close()
    let next = try site.start()
    #expect(kinds(next) == ["opened", "rolled-back", "started"])
    #expect(endings(next) == ["alpha closed 1"])
    try next.close()
  }

  /// The rollbacks that metrics tell of: module, reason and number.
  private func endings(_ agent: Agent) -> [String] {
    agent.metrics().split(separator: "\n").compactMap { line in
      let words = line.split { "{}\"".contains($0) }
      guard line.hasPrefix("hitless_rollbacks_total{"), line.last != "0" else { return nil }
      return "\(words[2]) \(words[4])\(words[5])"
    }
  }

  @Test func `what was rolled back or confirmed before the end is no trial`() throws {
    for isConfirmed in [false, true] {
      let agent = try site.start()
      let number = try agent.install(patch: try site.patch())
      _ = try agent.activate(number)
      if isConfirmed { try agent.confirm(number) } else { try agent.rollback(number) }
      try die(agent)
      let next = try site.start()
      #expect(kinds(next) == ["opened", "died", "started"])
      try next.close()
    }
  }

  @Test func `dying twice soon after a confirmation starts the set before it`() throws {
    let first = try site.start()
    try confirm(first, try site.patch(sequence: 1))
    try confirm(first, try site.patch(from: 1, to: 2, sequence: 2))
    try die(first)
    let second = try site.start()
    #expect(try results(second) == [33, 31])
    #expect(kinds(second) == ["opened", "died", "started"])
    try die(second)
    let third = try site.start()
    #expect(try results(third) == [32, 31])
    #expect(kinds(third) == ["opened", "died", "falling-back", "fell-back", "started"])
    let listing = try ControlClient(path: site.directory.path("control")).ask(
      ControlRequest("list"))
    #expect(listing["abandoned"]?.namedValue?["number"] == .unsigned(2))
    #expect(listing["confirmed"] == .unsigned(3))
    // There is nothing before that set: it stays, however often its host dies.
    var last = third
    for _ in 0..<3 {
      try die(last)
      last = try site.start()
      #expect(try results(last) == [32, 31])
    }
    try last.close()
  }

  /// With the host's own files as the set before: nothing is kept in the store for it.
  @Test func `the set before the first one is the files of the host`() throws {
    var agent = try site.start()
    try confirm(agent, try site.patch())
    for _ in 0..<2 {
      try die(agent)
      agent = try site.start()
    }
    #expect(try results(agent) == [31, 31])
    try agent.close()
  }

  @Test func `the patch that was given up may be tried again, an older or another one may not`()
    throws
  {
    var agent = try site.start()
    let patch = try site.patch(sequence: 5)
    try confirm(agent, patch)
    for _ in 0..<2 {
      try die(agent)
      agent = try site.start()
    }
    expectRefusal(.rollback) { _ = try agent.install(patch: try site.patch(sequence: 4)) }
    expectRefusal(.mixed) {
      _ = try agent.install(patch: try site.patch(sequence: 5) { $0.release = "another" })
    }
    try confirm(agent, patch)
    #expect(try results(agent) == [32, 31])
    // Confirmed once more, it is old again.
    expectRefusal(.rollback) {
      _ = try agent.install(patch: try site.patch(from: 1, to: 2, sequence: 4))
    }
    try agent.close()
  }

  @Test func `ends that are late, orderly, or fewer than the limit change nothing`() throws {
    site.options.earlyEndWindow = 1
    var agent = try site.start()
    try confirm(agent, try site.patch())
    for _ in 0..<3 {
      try die(agent)
      agent = try site.start()
      #expect(try results(agent) == [32, 31])
    }
    site.options.earlyEndWindow = 3_600_000_000_000
    site.options.earlyEndLimit = 3
    for _ in 0..<2 {
      try die(agent)
      agent = try site.start()
      #expect(try results(agent) == [32, 31])
    }
    try agent.close()
    agent = try site.start()
    for _ in 0..<2 {
      try die(agent)
      agent = try site.start()
      #expect(try results(agent) == [32, 31])
    }
    try die(agent)
    agent = try site.start()
    #expect(try results(agent) == [31, 31])
    try agent.close()
  }

  /// Nothing of the set was at work when the helper was missing.
  @Test func `a start that is refused is no early end, and does not wash one off`() throws {
    var agent = try site.start()
    try confirm(agent, try site.patch())
    try die(agent)
    let probe = site.options.probe
    for _ in 0..<3 {
      site.options.probe = site.directory.path("no-such-helper")
      let refused = try site.open()
      for _ in 0..<2 { expectRefusal(.state) { try refused.start() } }
      #expect(kinds(refused).count { $0 == "died" } <= 1)
    }
    site.options.probe = probe
    agent = try site.start()
    #expect(try results(agent) == [32, 31])
    try die(agent)
    agent = try site.start()
    #expect(try results(agent) == [31, 31])
    try agent.close()
  }

  /// The objects of the set before are what this rests on.
  @Test func `when the set before is not whole, the confirmed one is started once more`() throws {
    var agent = try site.start()
    try confirm(agent, try site.patch(sequence: 1))
    let kept = Set(names(in: "\(site.state)/objects/sha256"))
    try confirm(agent, try site.patch(from: 1, to: 2, sequence: 2))
    let current = Set(names(in: "\(site.state)/objects/sha256")).subtracting(kept)
    #expect(current.count == 1 && kept.count == 2)
    for _ in 0..<2 {
      try die(agent)
      // The image that both sets need stays.
      if let gone = kept.first(where: { isAlpha($0) }) {
        removeTree("\(site.state)/objects/sha256/\(gone)")
      }
      agent = try site.start()
    }
    #expect(try results(agent) == [33, 31])
    #expect(kinds(agent).contains("fallback-failed"))
    try agent.close()
  }

  /// Whether the object is a build of the first module.
  private func isAlpha(_ name: String) -> Bool {
    (try? Modules.cached("alpha", 1)) == contents(of: "\(site.state)/objects/sha256/\(name)")
  }

  /// Ends the agent, and leaves the state directory as if it had been killed.
  private func die(_ agent: Agent) throws {
    let files = snapshot(of: site.state)
    try agent.close()
    for (name, bytes) in files where !name.hasSuffix("/") && !name.hasPrefix("objects/") {
      try site.directory.write("state/\(name)", bytes)
    }
  }

  private func confirm(_ agent: Agent, _ patch: [UInt8]) throws {
    let number = try agent.install(patch: patch)
    _ = try agent.activate(number)
    try agent.confirm(number)
  }

  private func results(_ agent: Agent) throws -> [Int32] {
    let worker = try TestWorker(agent)
    defer { worker.stop() }
    return worker.results
  }

  private func kinds(_ agent: Agent) -> [String] {
    var kinds: [String] = []
    var last: UInt64 = 0
    while let event = agent.nextEvent(after: last, timeout: 0) {
      last = event.number
      kinds.append(event.kind)
    }
    return kinds
  }

  private func audit() throws -> [String] {
    _ = try site.auditKinds()
    return String(decoding: contents(of: "\(site.state)/audit.jsonl") ?? [], as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }
}
