import Foundation
import TestSupport
import Testing

/// `freeze`, `release` and `metrics`, on a running upfd.
extension RunningTests {
  @Test func `a frozen upfd takes no patch, also after kill -9, until it is released`() throws {
    let operations = try Operations()
    func run(_ body: () throws -> Void) throws {
      let state = ["--state", operations.path("state")]
      let daemon = try RunningDaemon("127.77.0.9", more: operations.arguments + state)
      defer { daemon.die() }
      try body()
    }
    try run {
      try operations.refuse(52, "state", "release")
      #expect(try operations.agent("install", operations.path("fix.hlp")).status == 0)
      #expect(try operations.agent("activate").status == 0)
      let number = try #require(
        (try operations.object("list")["transaction"] as? [String: Any])?["number"] as? Int)
      let frozen = try operations.object("freeze", "--reason", "a drill")
      #expect(frozen["rolled_back"] as? Int == number)
      try operations.refuse(53, "frozen", "activate")
      try operations.refuse(53, "frozen", "install", operations.path("fix.hlp"))
      let doctor = try operations.agent("doctor")
      #expect(doctor.status == 52 && doctor.output.contains("NOT FINE: patches: "))
    }
    try run {
      let list = try operations.agent("list").output
      #expect(list.contains("frozen: since 2"), "\(list)")
      #expect(list.contains(" by user \(getuid()): a drill"), "\(list)")
      #expect(list.contains("  qer: qer 1.0.1, build-id "))
      try operations.refuse(53, "frozen", "install", operations.path("fix.hlp"))
      try operations.refuse(52, "state", "release", "--patch", "0123456789abcdef")
      try operations.refuse(2, "usage", "release", "--patch", "01")
      #expect(try operations.agent("release").output == "released: patches are taken again\n")
      #expect(try operations.agent("install", operations.path("fix.hlp")).status == 0)
      #expect(
        try operations.agent("freeze").output.hasPrefix("frozen: nothing was on trial\n"))
      #expect(try operations.agent("release").status == 0)
      try freezeModules(operations)
      #expect(try operations.agent("activate").status == 0)
      #expect(try operations.agent("confirm").status == 0)
    }
    let audit = try operations.audit("show", "--event", "frozen", operations.path("state"))
    #expect(audit.output.contains("a drill"), "\(audit.output)\(audit.errors)")
    let json = try operations.audit(
      "show", "--json", "--event", "released", operations.path("state"))
    #expect(json.output.contains("\"user\":\(getuid())"), "\(json.output)")
    #expect(
      try operations.audit("verify", operations.path("state")).output.contains("chain whole"))
  }

  /// A patch of qer is staged.
  private func freezeModules(_ operations: Operations) throws {
    try operations.refuse(2, "usage", "freeze", "--module", "nothing")
    #expect(
      try operations.agent("freeze", "--module", "classify").output
        == """
        frozen: module classify, no patch of which was on trial
        no patch that changes it is taken until 'hitless agent release --module classify'

        """)
    #expect(try operations.agent("list").output.contains("frozen: module classify, since 2"))
    #expect(try operations.object("freeze", "--module", "qer")["module"] as? String == "qer")
    try operations.refuse(53, "frozen", "activate")
    let protection = try operations.object("list")["protection"] as? [String: Any]
    #expect((protection?["held"] as? [Any])?.count == 2)
    #expect(
      try operations.agent("release", "--module", "qer").output
        == "released: patches of module qer are taken again\n")
    try operations.refuse(52, "state", "release", "--module", "qer")
    // While all are frozen no patch of a released module is taken either.
    #expect(try operations.agent("freeze").status == 0)
    #expect(
      try operations.agent("release", "--module", "classify").output
        == "released: module classify; no patch is taken until 'hitless agent release'\n")
    #expect(try operations.agent("freeze", "--module", "classify").status == 0)
    #expect(
      try operations.object("release", "--module", "classify")["frozen"] as? Bool == true)
    #expect(try operations.agent("release").status == 0)
    #expect(try operations.agent("freeze", "--module", "classify").status == 0)
  }

  @Test func `the figures of a running upfd are printed as text and as one object`() throws {
    let operations = try Operations()
    let daemon = try RunningDaemon("127.77.0.10", more: operations.arguments)
    defer { daemon.kill() }
    #expect(try operations.agent("install", operations.path("fix.hlp")).status == 0)
    #expect(try operations.agent("activate").status == 0)
    let text = try operations.agent("metrics").output
    #expect(text.contains("\nhitless_rollbacks_total{module=\"qer\",reason=\"boot_loop\"} 0\n"))
    #expect(text.contains("module=\"qer\",version=\"1.0.2\""))
    #expect(text.contains("\nhitless_workers 1\n"))
    #expect(text.hasSuffix("\n") && !text.hasSuffix("\n\n"))
    let object = try operations.object("metrics")
    let families = try #require(object["families"] as? [[String: Any]])
    #expect(
      families.count == text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.count)
    let swaps = try #require(
      families.first { $0["name"] as? String == "hitless_swap_duration_seconds" })
    let samples = try #require(swaps["samples"] as? [[String: Any]])
    #expect(samples.last?["value"] as? Int == 1)
    let sum = samples.dropLast().last?["value"] as? Double ?? 0
    #expect(sum > 0 && sum < 1, "publishing took \(sum) s")
    let overhead = try #require(
      families.first { $0["name"] as? String == "hitless_batch_overhead_seconds" })
    #expect((overhead["samples"] as? [Any])?.count == 2)
  }
}
