import Bytes
import Glibc
import Journal
import TestSupport
import Testing

/// The audit log gets a new file when it is full: two names change then, and a host may end between them.
@Suite("A host that rotates its audit log", .serialized, .announcingCalls)
struct RotationTests {
  @Test func `and is killed between the two names goes on with the chain in a new file`() throws {
    let (site, state) = try Self.almostFull()
    let host = try FaultedHost(site, state: state)
    var isRenamed = false
    let answer = try host.order("start") { call in
      defer { isRenamed = isRenamed || call.name == "renameat" }
      return isRenamed ? .killed : .made
    }
    #expect(answer == nil)
    #expect(contents(of: "\(state)/audit.jsonl") == nil)
    try Self.expectOneChain(site, state)
  }

  /// The log used to be lost from then on: the rename had no file any more, and was tried before each line.
  @Test func `and gets no descriptor for the new file writes the next line into it`() throws {
    let (site, state) = try Self.almostFull()
    let host = try FaultedHost(site, state: state)
    var (isRenamed, failures) = (false, 0)
    let answer = try host.order("start") { call in
      if call.name == "renameat" { isRenamed = true }
      guard isRenamed, call.name == "openat2", failures == 0 else { return .made }
      failures += 1
      return .failed(EMFILE)
    }
    #expect(answer == "ok ")
    #expect(failures == 1)
    host.kill()
    try Self.expectOneChain(site, state)
    let log = String(decoding: contents(of: "\(state)/audit.jsonl") ?? [], as: UTF8.self)
    // Of the line that could not be written nothing is there, of the next one everything.
    #expect(log.split(separator: "\n").first?.contains("\"event\":\"started\"") == true)
  }

  private static func expectOneChain(_ site: FaultSite, _ state: String) throws {
    let before = try #require(contents(of: "\(state)/audit.1.jsonl"))
    let restart = try Restart(site, state)
    #expect(restart.result == site.old)
    #expect(restart.problems == [])
    #expect(contents(of: "\(state)/audit.1.jsonl") == before)
    #expect(restart.lines.contains { $0.contains("\"event\":\"started\"") })
  }

  /// A state directory whose log is so full that the next line goes into a new file.
  private static func almostFull() throws -> (FaultSite, String) {
    let site = try FaultSite()
    let state = try site.copy("full")
    let journal = try Journal(at: state, now: 1)
    defer { journal.close() }
    let filler = String(repeating: "x", count: 60_000)
    // 8 MiB are the limit of a file.
    for _ in 0..<140 {
      try journal.record(AuditEntry("filled", time: 2, [("filler", .string(filler))]))
    }
    try #require(contents(of: "\(state)/audit.1.jsonl") == nil)
    return (site, state)
  }
}
