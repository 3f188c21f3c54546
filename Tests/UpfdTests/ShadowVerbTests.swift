import Foundation
import TestSupport
import Testing

/// A shadow of a running upfd, as an operator sees it.
extension RunningTests {
  @Test func `a fix is compared on copies of live batches first, and the operator sees of what`()
    throws
  {
    let operations = try RolloutOperations()
    let state = ["--state", operations.path("state")]
    let daemon = try RunningDaemon("127.77.0.8", more: operations.arguments + state)
    defer { daemon.kill() }
    _ = try operations.object("install", operations.path("fix.hlp"))
    let alone = try operations.agent("activate", "--shadow-batches", "5")
    #expect(alone.status == 2 && alone.errors.contains("--shadow batches:5%"), "\(alone.errors)")
    let other = try operations.agent("activate", "--shadow", "flows:5%")
    #expect(other.status == 2)
    let activated = try operations.object(
      "activate", "--shadow", "batches:100%", "--shadow-batches", "20", "--max-divergences",
      "1000000")
    #expect(activated["state"] as? String == "active")
    let confirm = try operations.agent("confirm")
    #expect(confirm.status == 52 && confirm.errors.contains("is in shadow"), "\(confirm.errors)")
    let before = try operations.agent("list").output
    #expect(before.contains("shadow: 100 % of batches, 0 compared"), "\(before)")
    var listed = ""
    let isOver = try forwarding(daemon) {
      listed = try operations.agent("list").output
      return listed.contains("divergences, over") && listed.contains("results: equal")
    }
    #expect(isOver, "\(listed)")
    let metrics = try operations.agent("metrics").output
    #expect(
      metrics.contains(/hitless_shadow_batches_total [1-9]/)
        && metrics.contains(#"hitless_shadow_skipped_total{cause="full"} "#), "\(metrics)")
    _ = try operations.object("confirm")
    let replayed = try run(
      try BuiltProduct.path("hitless"),
      ["agent", "replay", "--audit", operations.path("state"), "--json"])
    #expect(replayed.status == 0 && replayed.output.contains(#""outcome":"same""#))
    #expect(try daemon.end() == 0)
  }
}
