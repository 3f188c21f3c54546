import Foundation
import GTPU
import TestSupport
import Testing

/// A rollout of a running upfd, as an operator sees it.
extension RunningTests {
  @Test func `a fix is rolled out batch by batch under traffic and confirmed by itself`() throws {
    let operations = try RolloutOperations()
    let state = ["--state", operations.path("state")]
    let daemon = try RunningDaemon("127.77.0.7", more: operations.arguments + state)
    defer { daemon.kill() }
    _ = try operations.object("install", operations.path("fix.hlp"))
    let activated = try operations.object(
      "activate", "--canary", "batches:20%", "--steps", "50%,100%", "--dwell", "500ms",
      "--confirm-within", "2m", "--auto-confirm", "--threshold", "min-packets=100", "--threshold",
      "min-samples=20", "--threshold", "median-permille=20000", "--threshold",
      "tail-permille=1000000")
    #expect(activated["state"] as? String == "active")
    let confirm = try operations.agent("confirm")
    #expect(confirm.status == 52 && confirm.errors.contains("step 1 of 3, 20 % of batches"))
    let screen = try TerminalRun(
      try BuiltProduct.path("hitless"), operations.path("agent"), seconds: 120,
      to: operations.path("screen"))
    // Without traffic it stays where it is.
    let isShown = eventually(within: 60) {
      screen.text.contains("rollout  step 1 of 3, 20 % of batches")
        && screen.text.contains("health   inconclusive: ")
    }
    let heading = screen.text.firstMatch(of: /this step +stable +candidate/)
    screen.end()
    #expect(isShown && heading != nil, "\(screen.text)")
    var listed = ""
    let isConfirmed = try forwarding(daemon) {
      listed = try operations.agent("list").output
      return listed.contains(": confirmed, ")
    }
    #expect(isConfirmed, "\(listed)")
    #expect(listed.contains("rollout: step 3 of 3, 100 % of batches when it ended"), "\(listed)")
    let watched = try operations.agent("watch", "--after", "0", "--events", "9").output
    #expect(watched.contains("judged [") && watched.contains("next look in"), "\(watched)")
    try operations.expectReplay(of: operations.path("state"))
    #expect(try daemon.end() == 0)
  }

  /// Sends packets of a user until `isOver` says so; false when it never does.
  func forwarding(_ daemon: RunningDaemon, until isOver: () throws -> Bool) throws -> Bool {
    let inner: [UInt8] =
      [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 60, 0, 1, 8, 8, 8, 8]
      + [0x0f, 0xa0, 0x13, 0x88, 0, 8, 0, 0]
    let header = GTPUHeader(.packet, teid: 0x1000, pduSession: .init(.uplink, qfi: 9))
    let packet = header.message(inner)
    for _ in 0..<300 {
      for _ in 0..<400 {
        daemon.send(packet)
        usleep(100)
      }
      while daemon.nextFromCoreNow() {}
      if try isOver() { return true }
    }
    return false
  }
}

/// A vendor's key, a patch, and the socket of the agent.
struct RolloutOperations {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    _ = try hitless("keygen", "--out", path("vendor"))
    _ = try hitless(
      "diff", try BuiltModules.path("qer", "1.0.1"), try BuiltModules.path("qer", "1.0.2"), "-o",
      path("fix.hlp"), "--key", path("vendor.key"), "--product", "upf")
  }

  var arguments: [String] {
    [
      "--control", path("agent"), "--trust", path("vendor.pub"), "--product", "upf",
      "--batch-budget", "5000000",
    ]
  }

  func path(_ name: String) -> String { directory.path(name) }

  func agent(_ words: String...) throws -> ProgramRun { try agent(words) }

  private func agent(_ words: [String]) throws -> ProgramRun {
    try run(try BuiltProduct.path("hitless"), ["agent", "--socket", path("agent")] + words)
  }

  func object(_ words: String...) throws -> [String: Any] {
    let outcome = try agent(words + ["--json"])
    #expect(outcome.status == 0, "\(words): \(outcome.errors)")
    return try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  private func hitless(_ words: String...) throws -> ProgramRun {
    let outcome = try run(try BuiltProduct.path("hitless"), words)
    try #require(outcome.status == 0, "\(words): \(outcome.errors)")
    return outcome
  }

  /// Replays the log; then a log in which one figure is another one.
  func expectReplay(of state: String) throws {
    let replayed = try hitless("agent", "replay", "--audit", state, "--json")
    let lines = replayed.output.split(separator: "\n")
    #expect(lines.count >= 3 && lines.allSatisfy { $0.contains(#""outcome":"same""#) })
    let log = String(decoding: try #require(contents(of: "\(state)/audit.jsonl")), as: UTF8.self)
    let last = try #require(log.split(separator: "\n").last { $0.contains(#""action":"confirm""#) })
    let tampered = last.replacingOccurrences(
      of: #""candidate":{"packets":"#, with: #""candidate":{"packets":1,"were":"#)
    try directory.write("tampered.jsonl", Array((tampered + "\n").utf8))
    let changed = try run(
      try BuiltProduct.path("hitless"), ["agent", "replay", "--audit", path("tampered.jsonl")])
    #expect(changed.status == 22, "\(changed.output)\(changed.errors)")
    #expect(changed.output.contains("NOT THE SAME: inconclusive"), "\(changed.output)")
    try directory.write("torn.jsonl", Array(last.replacing("\"ticks\"", with: "\"tocks\"").utf8))
    let torn = try run(
      try BuiltProduct.path("hitless"), ["agent", "replay", "--audit", path("torn.jsonl")])
    #expect(torn.status == 22 && torn.output.contains("CANNOT BE DECIDED"), "\(torn.output)")
  }
}
