import Foundation
import Platform
import TestSupport
import Testing

@testable import Agent

/// Judged by promtool, the checker of the system that collects the figures.
@Suite("Metrics")
struct MetricsTests {
  let site: Site

  init() throws { site = try Site() }

  private static let promtool = "/usr/bin/promtool"
  static let hasPromtool = FileManager.default.isExecutableFile(atPath: promtool)

  private func document() throws -> String {
    try String(contentsOfFile: "\(TestModule.root)/docs/operations.md", encoding: .utf8)
  }

  /// The alert rules of the documents.
  private func rules() throws -> String {
    try #require(
      try document().components(separatedBy: "```yaml\n").dropFirst().first {
        $0.hasPrefix("groups:")
      }?.components(separatedBy: "```").first)
  }

  private func judge(_ text: String) throws {
    let directory = try TemporaryDirectory()
    let file = try directory.write("metrics", Array(text.utf8))
    let verdict = try run("/bin/sh", ["-c", "\(Self.promtool) check metrics <'\(file)'"])
    #expect(verdict.status == 0 && verdict.errors.isEmpty, "\(verdict.output)\(verdict.errors)")
  }

  /// An agent that has confirmed, rolled back and refused, with workers of one name.
  private func lived() throws -> (Agent, [TestWorker]) {
    site.options.instance = "odd \"name\"\\ with\nlines"
    let agent = try site.start()
    let workers = [try TestWorker(agent), try TestWorker(agent), try TestWorker(agent, "w\"\\")]
    let first = try agent.install(patch: try site.patch(["alpha", "beta"]))
    _ = try agent.activate(first)
    try agent.rollback(first)
    _ = try agent.activate(first)
    try agent.confirm(first)
    let second = try agent.install(patch: try site.patch(from: 1, to: 2, sequence: 3))
    _ = try? agent.install(patch: [1])
    try agent.rollback(second)
    return (agent, workers)
  }

  @Test(.enabled(if: hasPromtool, "promtool is not installed: tools/setup installs it"))
  func `promtool finds nothing wrong with the figures of an agent that has lived`() throws {
    let (agent, workers) = try lived()
    try judge(agent.metrics())
    for worker in workers { worker.stop() }
    try judge(agent.metrics())
    try agent.close()
    try judge(try site.open().metrics())
  }

  @Test(.enabled(if: hasPromtool, "promtool is not installed: tools/setup installs it"))
  func `promtool finds nothing wrong with the alert rules of the documents`() throws {
    let rules = try rules()
    let directory = try TemporaryDirectory()
    let file = try directory.write("rules.yml", Array(rules.utf8))
    let verdict = try run(Self.promtool, ["check", "rules", "--lint-fatal", file])
    #expect(verdict.status == 0, "\(verdict.output)\(verdict.errors)")
    let known = Set(families(try site.open().metrics()))
    let named = rules.split { !($0.isLetter || $0.isNumber || $0 == "_") }
      .filter { $0.hasPrefix("hitless_") }.map { name in
        ["_bucket", "_sum", "_count"].reduce(String(name)) {
          $0.hasSuffix($1) ? String($0.dropLast($1.count)) : $0
        }
      }
    #expect(!named.isEmpty && Set(named).isSubset(of: known), "\(Set(named).subtracting(known))")
  }

  /// The counter is 1 in the first figures of each process: to who collects them it never grows.
  @Test(.enabled(if: hasPromtool, "promtool is not installed: tools/setup installs it"))
  func `an alert is raised for each host that dies with a candidate, the second one too`() throws {
    let directory = try TemporaryDirectory()
    try directory.write("rules.yml", Array(try rules().utf8))
    // One line per minute: a process from the beginning, one from 20 minutes on, and one from 60 on that comes after an
    // orderly end.
    let file = try directory.write(
      "test.yml",
      Array(
        #"""
        rule_files: [rules.yml]
        evaluation_interval: 1m
        tests:
          - interval: 1m
            input_series:
              - series: 'hitless_rollbacks_total{instance="upf", module="qer", reason="crash"}'
                values: '1x59 0x60'
              - series: 'hitless_agent_start_time_seconds{instance="upf"}'
                values: '0x19 1200x39 3600x60'
            alert_rule_test:
              - {eval_time: 5m, alertname: HitlessHostDied, exp_alerts: [&died {exp_labels: {severity: page, instance: upf, module: qer, reason: crash}, exp_annotations: {summary: "the host has died with qer: crash"}}]}
              - {eval_time: 18m, alertname: HitlessHostDied, exp_alerts: []}
              - {eval_time: 21m, alertname: HitlessHostDied, exp_alerts: [*died]}
              - {eval_time: 61m, alertname: HitlessHostDied, exp_alerts: []}
        """#.utf8))
    let verdict = try run(Self.promtool, ["test", "rules", file])
    #expect(verdict.status == 0, "\(verdict.output)\(verdict.errors)")
  }

  @Test func `every figure is in the documents, and every one in the documents exists`() throws {
    let section = try #require(
      try document().components(separatedBy: "| metric |").dropFirst().first?
        .components(separatedBy: "\n\n").first)
    let documented = section.split(separator: "\n").compactMap { line -> String? in
      guard line.hasPrefix("| `hitless_") else { return nil }
      return String(line.dropFirst(3).prefix { $0 != "`" && $0 != "{" })
    }
    #expect(Set(families(try site.open().metrics())) == Set(documented))
    #expect(Set(documented).count == documented.count)
  }

  @Test func `every reason to roll back is there from the start, at 0`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    let text = agent.metrics()
    for module in ["alpha", "beta", "unknown"] {
      for reason in RollbackReason.allCases {
        let line =
          "\nhitless_rollbacks_total{module=\"\(module)\",reason=\"\(reason.rawValue)\"} 0\n"
        #expect(text.contains(line), "\(line)")
      }
    }
  }

  @Test func `faults of stable on copies are there from the start, at 0, by every cause`() throws {
    let text = try site.open().metrics()
    for cause in ["SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP", "budget"] {
      #expect(text.contains("\nhitless_shadow_stable_faults_total{cause=\"\(cause)\"} 0\n"))
    }
  }

  @Test func `what has happened is counted once, in the right place`() throws {
    let (agent, workers) = try lived()
    defer { try? agent.close() }
    let text = agent.metrics()
    for line in [
      "hitless_transactions_total{result=\"confirmed\"} 1",
      "hitless_transactions_total{result=\"rolled_back\"} 1",
      "hitless_transactions_total{result=\"dropped\"} 1",
      "hitless_transactions_total{result=\"refused\"} 1",
      "hitless_rollbacks_total{module=\"alpha\",reason=\"asked\"} 1",
      "hitless_rollbacks_total{module=\"beta\",reason=\"asked\"} 1",
      "hitless_activations_total 2", "hitless_workers 3",
      "hitless_loads_total{result=\"loaded\"} 3",
      "hitless_swap_duration_seconds_count 4", "hitless_stage_duration_seconds_count 2",
      "hitless_verify_duration_seconds_count 2", "hitless_overdue_generations 0",
      "hitless_breaker_state{module=\"beta\",state=\"closed\"} 1",
    ] { #expect(text.contains("\n\(line)\n"), "\(line) in \(text)") }
    #expect(text.contains("hitless_agent_info{instance=\"odd \\\"name\\\"\\\\ with\\nlines\"} 1\n"))
    let slot = site.slots["alpha"] ?? ""
    #expect(text.contains(#"slot="\#(slot)",module="alpha",version="1.0.1""#))
    #expect(text.split(separator: "\n").filter { $0.contains("_age_seconds{") }.count == 3)
    for worker in workers { worker.stop() }
  }

  @Test func `a worker that takes up no new view is behind, and its generation grows old`() throws {
    site.options.graceTimeout = 1_000_000
    let agent = try site.start()
    defer { try? agent.close() }
    let worker = try TestWorker(agent)
    worker.stall()
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    usleep(20_000)
    let late = agent.metrics()
    #expect(seconds("hitless_worker_behind_seconds", late) >= 0.02)
    #expect(seconds("hitless_worker_generation_age_seconds", late) >= 0.02)
    #expect(late.contains("\nhitless_overdue_grace_periods_total 1\n"))
    worker.proceed()
    #expect(
      eventually { seconds("hitless_worker_behind_seconds", agent.metrics()) == 0 })
    worker.stop()
  }

  @Test func `times are written in seconds, to the nanosecond`() {
    let texts: [(UInt64, String)] = [
      (0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (2_000_000_000, "2"),
      (100, "0.0000001"), (.max, "18446744073.709551615"),
    ]
    for (value, text) in texts { #expect(MetricFamily.Value.nanoseconds(value).text == text) }
  }

  @Test func `a histogram counts what is at most its bounds, and sums everything`() {
    var histogram = Histogram(from: 100, to: 1000)
    #expect(histogram.bounds == [100, 200, 500, 1000])
    for value in [50, 100, 101, 1000, 5000] as [UInt64] { histogram.add(value) }
    var family = MetricFamily("x_seconds", .histogram, "h")
    family.add(histogram)
    let text = family.text
    #expect(
      text == """
        # HELP x_seconds h
        # TYPE x_seconds histogram
        x_seconds_bucket{le="0.0000001"} 2
        x_seconds_bucket{le="0.0000002"} 3
        x_seconds_bucket{le="0.0000005"} 3
        x_seconds_bucket{le="0.000001"} 4
        x_seconds_bucket{le="+Inf"} 5
        x_seconds_sum 0.000006251
        x_seconds_count 5

        """)
  }

  private func families(_ text: String) -> [String] {
    text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map {
      String($0.split(separator: " ")[2])
    }
  }

  private func seconds(_ name: String, _ text: String) -> Double {
    let line = text.split(separator: "\n").first { $0.hasPrefix("\(name){") }
    return line?.split(separator: " ").last.flatMap { Double($0) } ?? -1
  }
}
