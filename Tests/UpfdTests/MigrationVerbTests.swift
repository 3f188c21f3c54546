import Foundation
import Glibc
import TestSupport
import Testing

/// A patch that changes the layout of token buckets, as an operator sees it, under load of `gnbsim`.
extension RunningTests {
  @Test func `a patch that migrates records goes in, out and in under load, and says so`() throws {
    let site = try MigrationSite()
    #expect(site.made.contains("class hot-with-migration"), "\(site.made)")
    #expect(site.made.contains("migrates records: schema"), "\(site.made)")
    let verified = try site.hitless(
      "verify", site.path("records.hlp"), "--trust", site.path("vendor.pub"))
    #expect(verified.contains("hot-with-migration"), "\(verified)")
    try site.start()
    defer { site.kill() }
    _ = try site.agent("install", site.path("records.hlp"))
    let refused = try site.attempt("activate", "--canary", "batches:5%")
    #expect(refused.status == 12 && refused.errors.contains("by flow only"), "\(refused.errors)")
    #expect(refused.errors.contains("--canary flows:1%"), "\(refused.errors)")

    _ = try site.agent(
      "activate", "--canary", "flows:50%", "--dwell", "1m", "--eager-records", "0")
    try site.waitForPackets(of: ["0.2", "1.0"])
    let list = try site.agent("list")
    #expect(list.contains(/migration: records of transaction 1: [1-9][0-9]* of 4194304/), "\(list)")
    _ = try site.agent("rollback")
    #expect(try !site.agent("list").contains("migration: "))
    try site.waitForPackets(of: ["0.2"])

    _ = try site.agent("activate", "--eager-records", "5000000")
    #expect(try site.agent("list").contains("4194304 of 4194304 have gone over"))
    try site.waitForPackets(of: ["1.0"])
    _ = try site.agent("confirm")
    #expect(try site.agent("list").contains("  qer: qer 1.1.0, build-id "))
    #expect(try site.agent("metrics").contains("hitless_migrating 0"))
    try site.waitForPackets(of: ["1.0"])
    try site.expectBalancedBooks()
  }
}

/// upfd between `gnbsim generate` and `gnbsim reflect`, all of them as processes, and a patch for its qer.
private final class MigrationSite {
  private let directory: TemporaryDirectory
  private var processes: [String: Process] = [:]
  /// What `diff` has said of the patch.
  private(set) var made = ""

  private static let node = "127.77.0.12"
  private static let radio = "127.77.1.12"
  private static let sink = "10.6.0.2:9000"

  init() throws {
    directory = try TemporaryDirectory()
    _ = try hitless("keygen", "--out", path("vendor"))
    made = try hitless(
      "diff", try BuiltModules.path("qer", "1.0.2"), try BuiltModules.path("qer", "1.1.0"), "-o",
      path("records.hlp"), "--key", path("vendor.key"), "--product", "upf")
    try directory.write("s.yaml", Array((Self.row(1, 1, "10G") + Self.row(2, 65, "8k")).utf8))
  }

  /// Eight sessions, policed to so many bits a second.
  private static func row(_ number: Int, _ offset: Int, _ rate: String) -> String {
    let (uplink, downlink) = (0x1000 + offset, 0x2000 + offset)
    return """
      \(number == 1 ? "sessions:" : "")
        - seid: \(1000 * number)
          count: 8
          pdrs:
            - id: 1
              precedence: 100
              pdi: { source_interface: access, f_teid: { teid: \(uplink) } }
              far: 1
              qer: 1
              urr: 1
            - id: 2
              precedence: 100
              pdi: { source_interface: core, ue_ip: 10.61.0.\(offset) }
              far: 2
              qer: 1
              urr: 1
          fars:
            - { id: 1, apply_action: forward, destination_interface: core }
            - id: 2
              apply_action: forward
              destination_interface: access
              outer_header_creation: { teid: \(downlink), ipv4: \(radio) }
          qers:
            - { id: 1, qfi: 9, mbr: { uplink: \(rate), downlink: \(rate) } }
          urrs:
            - { id: 1, measurement_method: volume }

      """
  }

  private static func pool(_ offset: Int) -> String {
    "10.61.0.\(offset),\(0x1000 + offset),\(0x2000 + offset),9,8"
  }

  func path(_ name: String) -> String { directory.path(name) }

  /// Starts all three, and waits for packets.
  func start() throws {
    try launch(
      "gnbsim", as: "reflect", ["reflect", "--local", Self.sink, "--port", path("n6")])
    #expect(eventually(within: 60) { text("reflect.err").contains("reflecting") })
    try launch(
      "upfd", as: "upfd",
      [
        "--json", "--config", path("s.yaml"), "--n3", Self.node, "--n6", "local:\(path("n6"))",
        "--state", path("state"), "--classify", try BuiltModules.path("classify", "1.0.1"),
        "--qer", try BuiltModules.path("qer", "1.0.2"), "--stats", path("stats"), "--probe",
        try BuiltProduct.path("hitless-probe"), "--control", path("agent"), "--trust",
        path("vendor.pub"), "--product", "upf", "--batch-budget", "500000",
        "--grace-timeout", "20000",
      ])
    let isReady = eventually(within: 60) { text("upfd.out").contains("ready") }
    try #require(isReady, "\(text("upfd.err"))")
    try launch(
      "gnbsim", as: "generate",
      [
        "generate", "--local", Self.radio, "--upf", Self.node, "--sink", Self.sink, "--ue",
        Self.pool(1), "--free-ue", Self.pool(65), "--free-every", "4", "--rate", "4000",
        "--window", "64", "--patience", "30000",
      ])
    try waitForPackets(of: ["0.2"])
  }

  private func launch(_ product: String, as name: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try BuiltProduct.path(product))
    process.arguments = arguments
    for end in ["out", "err"] { try directory.write("\(name).\(end)", []) }
    process.standardOutput = FileHandle(forWritingAtPath: path("\(name).out"))
    process.standardError = FileHandle(forWritingAtPath: path("\(name).err"))
    try process.run()
    processes[name] = process
  }

  private func text(_ name: String) -> String {
    String(decoding: contents(of: path(name)) ?? [], as: UTF8.self)
  }

  /// Ends one of them as an operator would; what it has printed last.
  private func end(_ name: String) throws -> [String: Any] {
    let process = try #require(processes[name])
    process.terminate()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(name): \(text("\(name).err"))")
    let line = try #require(text("\(name).out").split(separator: "\n").last)
    return try object(String(line))
  }

  func kill() {
    for process in processes.values where process.isRunning {
      _ = Glibc.kill(process.processIdentifier, SIGKILL)
    }
  }

  private func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  private func query(_ words: String...) throws -> [String: Any] {
    try object(
      run(try BuiltProduct.path("upfd"), ["query", "--stats", path("stats")] + words).output)
  }

  /// Waits until each of these versions of qer, and no other, has marked packets from now on.
  func waitForPackets(of versions: Set<String>) throws {
    func marks() throws -> [String: Int] {
      let total = try #require(try query("stats")["total"] as? [String: Any])
      var marks = try #require(total["qer_marks"] as? [String: Int])
      marks["none"] = nil
      return marks
    }
    // A batch that had begun before may count itself a little later.
    usleep(20_000)
    let before = try marks()
    var after = before
    let hasCome = eventually(within: 60) {
      after = (try? marks()) ?? before
      return versions.allSatisfy { after[$0, default: 0] >= before[$0, default: 0] + 100 }
    }
    #expect(hasCome, "\(before) \(after)")
    for (version, count) in after where !versions.contains(version) {
      #expect(count == before[version], "packets of \(version)")
    }
  }

  /// Ends the load, and compares what each of the three has counted.
  func expectBalancedBooks() throws {
    let generated = try end("generate")
    let windowed = try #require(generated["windowed"] as? [String: Int])
    let free = try #require(generated["free"] as? [String: Int])
    #expect(windowed["missing"] == 0 && windowed["duplicated"] == 0, "\(windowed)")
    let sessions = try query("sessions")
    let stopped = try end("upfd")
    _ = try end("reflect")
    let account = try #require(stopped["accounting"] as? [String: Any])
    #expect(account["balanced"] as? Bool == true && account["missing"] as? Int == 0)
    let statistics = try #require(stopped["statistics"] as? [String: Any])
    let total = try #require(statistics["total"] as? [String: Any])
    let dropped = try #require(total["dropped"] as? [String: [String: Int]])
    // Whoever is over the rate loses a packet on its way up or down, and nobody for another reason.
    #expect(Set(dropped.keys) == ["mbr-exceeded"], "\(dropped)")
    #expect(dropped["mbr-exceeded"]?["packets"] == free["missing"], "\(dropped) \(free)")
    #expect(total["invalid_updates"] as? Int == 0)
    let rows = try #require(sessions["sessions"] as? [[String: Any]])
    #expect(rows.count == 16)
    var uplink = 0
    for row in rows {
      let traffic = try #require(row["traffic"] as? [String: Any])
      #expect(traffic["balanced"] as? Bool == true)
      for direction in ["uplink", "downlink"] {
        let sent = try sentPackets(traffic, direction)
        #expect(try sent == measuredPackets(row, direction), "\(row)")
      }
      let both = try #require(traffic["uplink"] as? [String: [String: Int]])
      uplink += both["received"]?["packets"] ?? 0
    }
    #expect(uplink == (windowed["sent"] ?? 0) + (free["sent"] ?? 0))
  }

  private func sentPackets(_ traffic: [String: Any], _ direction: String) throws -> Int? {
    try #require(traffic[direction] as? [String: [String: Int]])["sent"]?["packets"]
  }

  private func measuredPackets(_ row: [String: Any], _ direction: String) throws -> Int? {
    let usage = try #require(row["urrs"] as? [String: [String: [String: Int]]])
    return usage["1"]?[direction]?["packets"]
  }

  func attempt(_ words: String...) throws -> ProgramRun { try attempt(words) }

  private func attempt(_ words: [String]) throws -> ProgramRun {
    try run(try BuiltProduct.path("hitless"), ["agent", "--socket", path("agent")] + words)
  }

  func agent(_ words: String...) throws -> String {
    let outcome = try attempt(words)
    #expect(outcome.status == 0, "\(words): \(outcome.errors)")
    return outcome.output
  }

  func hitless(_ words: String...) throws -> String {
    let outcome = try run(try BuiltProduct.path("hitless"), words)
    try #require(outcome.status == 0, "\(words): \(outcome.errors)")
    return outcome.output
  }
}
