import TestSupport
import Testing

/// `kill -9` of a host whose candidate is on trial: nobody can say that it was not the candidate.
@Suite("A host that is killed while a candidate is on trial", .serialized, .announcingCalls)
struct TrialDeathTests {
  /// How refusals begin: an open breaker, and quarantine.
  private static let (waiting, quarantined) = ("refused 71 ", "refused 72 ")

  @Test func `finds the patch's breaker open at the next start, and at the one after that`() throws
  {
    let site = try FaultSite()
    let state = try site.copy("trial")
    try Self.dieOnTrial(site, state, wait: 3_600_000)
    for life in 0..<2 {
      let host = try FaultedHost(site, state: state, wait: 3_600_000)
      try #require(try host.order("start") == "ok ")
      #expect(try host.order("result") == site.old)
      #expect(try host.order("rollbacks") == (life == 0 ? "ok 1" : "ok 0"))
      #expect(try host.order("install \(site.patches[1])") == "ok ")
      let answer = try host.order("activate") ?? "ended"
      #expect(answer.hasPrefix(Self.waiting), "\(answer)")
      // The wait is not begun anew: another hour would be announced as 3600 s again, or as twice that.
      #expect(answer.contains("is open: 3") && !answer.contains("7200"), "\(answer)")
      host.kill()
    }
    let opened = try Restart(site, state).lines.filter { $0.contains("\"breaker-opened\"") }
    #expect(opened.count == 1)
    #expect(opened.first?.contains("\"source\":\"crash\"") == true)
  }

  @Test func `three times puts the patch into quarantine, for every later life`() throws {
    let site = try FaultSite()
    let state = try site.copy("trial")
    for _ in 0..<3 { try Self.dieOnTrial(site, state, wait: 0) }
    for _ in 0..<2 {
      let host = try FaultedHost(site, state: state, wait: 0)
      try #require(try host.order("start") == "ok ")
      let answer = try host.order("install \(site.patches[1])") ?? "ended"
      #expect(answer.hasPrefix(Self.quarantined), "\(answer)")
      #expect(try host.order("result") == site.old)
      host.kill()
    }
    let restart = try Restart(site, state)
    #expect(restart.problems == [])
    #expect(restart.lines.contains { $0.contains("\"quarantined\"") })
  }

  /// The death is not forgotten, however the start ends that finds out about it.
  @Test func `and killed again at any call of the next start still finds the breaker open`() throws
  {
    let site = try FaultSite()
    let state = try site.copy("trial")
    try Self.dieOnTrial(site, state, wait: 3_600_000)
    var calls = 0
    let counted = try FaultedHost(site, state: try site.copy("counted", of: state))
    try #require(
      try counted.order("start") { _ in
        calls += 1; return .made
      } == "ok ")
    #expect(calls > 20)
    // Everything about the last run is settled in the first calls of a start; a sample of the others.
    for point in Array(0..<min(calls, 60)).filter({ $0 % 4 == 0 }) {
      let tried = try site.copy("tried", of: state)
      let dying = try FaultedHost(site, state: tried, wait: 3_600_000)
      var count = 0
      _ = try dying.order("start") { _ in
        defer { count += 1 }
        return count == point ? .killed : .made
      }
      dying.kill()
      let host = try FaultedHost(site, state: tried, wait: 3_600_000)
      try #require(try host.order("start") == "ok ", "call \(point)")
      try #require(try host.order("install \(site.patches[1])") == "ok ", "call \(point)")
      let answer = try host.order("activate") ?? "ended"
      #expect(answer.hasPrefix(Self.waiting), "call \(point): \(answer)")
      host.kill()
    }
  }

  @Test func `finds nothing held against the patch when it has ended in an orderly way`() throws {
    let site = try FaultSite()
    let state = try site.copy("trial")
    let host = try FaultedHost(site, state: state)
    for words in ["start", "install \(site.patches[1])", "activate", "close"] {
      try #require(try host.order(words) == "ok ")
    }
    let next = try FaultedHost(site, state: state)
    for words in ["start", "install \(site.patches[1])", "activate"] {
      #expect(try next.order(words) == "ok ")
    }
  }

  private static func dieOnTrial(_ site: FaultSite, _ state: String, wait: UInt64) throws {
    let host = try FaultedHost(site, state: state, wait: wait)
    for words in ["start", "install \(site.patches[1])", "activate"] {
      try #require(try host.order(words) == "ok ", "\(words)")
    }
    host.kill()
  }
}
