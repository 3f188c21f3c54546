import Foundation
import TestSupport
import Testing

/// The verbs of `hitless agent`, as an operator types them.
extension RunningTests {
  @Test func `the agent of a running upfd is steered from the command line`() throws {
    let operations = try Operations()
    let daemon = try RunningDaemon("127.77.0.5", more: operations.arguments)
    defer { daemon.kill() }
    #expect(try operations.agent("doctor").output.hasPrefix("fine: state directory: "))
    try operations.refuse(52, "state", "activate")
    try operations.refuse(40, "not-for-target", "install", operations.path("other.hlp"))
    try operations.refuse(10, "format", "install", operations.path("vendor.pub"))
    try operations.refuse(61, "io", "install", operations.path("missing.hlp"))

    let installed = try operations.object("install", operations.path("fix.hlp"))
    #expect((installed["transaction"] as? [String: Any])?["state"] as? String == "staged")
    try operations.refuse(51, "busy", "install", operations.path("fix.hlp"))
    let active = try operations.object("activate")
    #expect(active["state"] as? String == "active")
    // Nobody has asked for it: who goes away does not leave a candidate in force for ever.
    let remaining = try #require(active["confirm_within_ns"] as? Int)
    #expect((1...600_000_000_000).contains(remaining))
    let rolledBack = try operations.object("rollback", "--reason", "a second look")
    #expect(rolledBack["state"] as? String == "rolled-back")
    let why = try operations.agent("list").output
    #expect(why.contains("rolled back (asked): ") && why.contains("a second look"), "\(why)")
    let exercised = try operations.object("exercise", "--count", "10")
    #expect(exercised["swaps"] as? Int == 10)
    #expect(try operations.object("rollback")["repeated"] as? Bool == true)
    let activated = try operations.agent("activate").output
    #expect(activated.contains("\nrolled back by itself unless it is confirmed within "))
    #expect(try operations.agent("confirm").status == 0)
    #expect(try operations.agent("confirm").output.hasSuffix(": is confirmed already\n"))
    try operations.refuse(52, "state", "rollback")

    let listed = try operations.object("list")
    #expect(listed["confirmed"] as? Int == 1)
    #expect(try operations.agent("list").output.contains("  qer: qer 1.0.2, build-id "))
    let watched = try operations.agent("watch", "--after", "0", "--events", "3", "--json").output
    let kinds = try watched.split(separator: "\n").map { line in
      (try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["kind"]
        as? String
    }
    #expect(kinds == ["opened", "started", "refused"])
    #expect(try daemon.end() == 0)
    try operations.refuse(61, "io", "list")
  }

  @Test func `what the death of a upfd means is shown by the next one, and is in its log`() throws {
    let operations = try Operations()
    func run(_ body: () throws -> Void) throws {
      let state = ["--state", operations.path("state")]
      let daemon = try RunningDaemon("127.77.0.6", more: operations.arguments + state)
      defer { daemon.die() }
      try body()
    }
    func install() throws -> Int {
      let installed = try operations.object("install", operations.path("fix.hlp"))
      return try #require((installed["transaction"] as? [String: Any])?["number"] as? Int)
    }
    var trial = 0
    try run {
      trial = try install()
      #expect(try operations.agent("activate").status == 0)
    }
    try run {
      let list = try operations.agent("list").output
      #expect(list.contains("last run: ended while transaction \(trial) was on trial: rolled back"))
      _ = try install()
      // What it has done is not forgotten; the hint says how an operator takes it in all the same.
      let refused = try operations.agent("activate")
      #expect(refused.status == 71)
      let words = refused.errors.split { " '\n".contains($0) }
      let option = try #require(words.firstIndex(of: "--patch"), "\(refused.errors)")
      #expect(
        try operations.agent("release", "--patch", String(words[option + 1])).status == 0)
      #expect(try operations.agent("activate").status == 0)
      #expect(try operations.agent("confirm").status == 0)
    }
    try run {
      let list = try operations.agent("list").output
      #expect(list.contains("last run: the host ended without closing, early: 1 in a row"))
      #expect(list.contains("  qer: qer 1.0.2, build-id "))
    }
    try run {
      let list = try operations.agent("list").output
      #expect(list.contains("fell back: set 1 ended its host too often, patch "))
      #expect(list.contains("  qer: qer 1.0.1, build-id "))
      let audit = try operations.audit("show", "--event", "fell-back", operations.path("state"))
      #expect(audit.output.contains("fell-back: the set before set 1 is started, as set 2"))
      let verified = try operations.audit("verify", operations.path("state"))
      #expect(verified.output.contains("chain whole"), "\(verified.errors)")
    }
  }
}

/// A vendor's key, patches of two products, and the socket of the agent.
struct Operations {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try hitless("keygen", "--out", path("vendor"))
    for (file, product) in [("fix.hlp", "upf"), ("other.hlp", "smf")] {
      try hitless(
        "diff", try BuiltModules.path("qer", "1.0.1"), try BuiltModules.path("qer", "1.0.2"), "-o",
        path(file), "--key", path("vendor.key"), "--product", product)
    }
  }

  /// What upfd is told.
  var arguments: [String] {
    ["--control", path("agent"), "--trust", path("vendor.pub"), "--product", "upf"]
  }

  func path(_ name: String) -> String { directory.path(name) }

  /// What `hitless agent` says.
  func agent(_ words: String...) throws -> ProgramRun { try agent(words) }

  /// What `hitless audit` says.
  func audit(_ words: String...) throws -> ProgramRun {
    try run(try BuiltProduct.path("hitless"), ["audit"] + words)
  }

  /// The object that a verb answers with.
  func object(_ words: String...) throws -> [String: Any] {
    let outcome = try agent(words + ["--json"])
    #expect(outcome.status == 0, "\(words): \(outcome.errors)")
    return try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  /// Expects a refusal of the class, for people and as JSON.
  func refuse(_ code: Int32, _ kind: String, _ words: String...) throws {
    let outcome = try agent(words + ["--json"])
    #expect(outcome.status == code, "\(words): \(outcome.errors)")
    #expect(outcome.errors.hasPrefix("hitless: error: "), "\(words)")
    let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    #expect((object as? [String: Any])?["class"] as? String == kind, "\(words): \(outcome.output)")
  }

  private func agent(_ words: [String]) throws -> ProgramRun {
    try run(try BuiltProduct.path("hitless"), ["agent", "--socket", path("agent")] + words)
  }

  private func hitless(_ words: String...) throws {
    let outcome = try run(try BuiltProduct.path("hitless"), words)
    try #require(outcome.status == 0, "\(words): \(outcome.errors)")
  }
}
