import Foundation
import TestSupport
import Testing

/// That `tools/bench` comes to figures, under the names that docs/benchmarks.md explains; what they are is no test's
/// business.
@Suite("The benchmarks of the packet path")
struct BenchTests {
  @Test func `a swap is measured beside the alternatives, and loses nothing`() throws {
    let bench = try Self.modules()
    try FileManager.default.copyItem(
      atPath: BuiltModules.path("classify", "1.0.1"), toPath: bench.path("classify.so"))
    try FileManager.default.copyItem(
      atPath: BuiltModules.path("qer", "1.0.1"), toPath: bench.path("qer.so"))
    try FileManager.default.createSymbolicLink(
      atPath: bench.path("hitless-probe"), withDestinationPath: BuiltProduct.path("hitless-probe"))
    let values = try Self.values([
      "swap", "--modules", bench.path, "--quick", "--swaps", "20", "--stops", "5", "--upfd",
      try BuiltProduct.path("upfd"), "--upfd-modules", bench.path, "--restart-sessions", "500",
      "--restart-load", "2000",
    ])
    let figures = Self.numbers(values)
    for name in ["lost", "mixed", "stop_lost", "stop_hitless_mixed_share"] {
      #expect(figures[name] == 0, "\(name)")
    }
    for name in ["publish_us_p50", "restart_ms_p50", "restart_lost_p50"] {
      #expect((figures[name] ?? 0) > 0, "\(name): \(String(describing: figures[name]))")
    }
    let samples = ["worker_gap_batches_p999", "fault_to_stable_us_p50", "late_to_stable_us_p50"]
    let stops = ["hitless", "signals", "ptrace", "nothing"].flatMap { arm in
      ["all_new_us_p50", "gap_us_p999", "gap_batches_p999"].map { "stop_\(arm)_\($0)" }
    }
    for name in samples + stops {
      let figure = try #require(figures[name], "\(name)")
      #expect(figure > 0 || figure.isNaN, "\(name): \(figure)")
    }
    #expect(figures["restart_sessions"] == 500)
    try expectEveryFault(values)
  }

  /// One figure for every way to fail, in both languages, at every stage, for one worker and for two; none is larger
  /// than the worst.
  private func expectEveryFault(_ values: [String: Any]) throws {
    let kinds = [
      "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT", "stack overflow",
      "endless loop",
    ]
    let list = try #require(values["fault_to_stable_us_p50_by_kind"] as? [[String: Any]])
    var (found, most) = (Set<String>(), 0)
    for entry in list {
      let (kind, module) = (entry["kind"] as? String ?? "", entry["module"] as? String ?? "")
      let numbers = Self.numbers(entry)
      let (workers, samples) = (Int(numbers["workers"] ?? 0), Int(numbers["samples"] ?? 0))
      let stage = entry["stage"] as? String ?? ""
      found.insert("\(kind), \(module), \(stage), \(workers)")
      let (median, tail) = (numbers["p50"] ?? 0, numbers["p99"] ?? 0)
      #expect(median > 0 && tail >= median, "\(entry)")
      // A round in which one of two workers comes too late does not count.
      #expect((workers...20 * workers).contains(samples), "\(entry)")
      most = max(most, samples)
    }
    let expected = kinds.flatMap { kind in
      ["C", "Embedded Swift"].flatMap { module in
        ["canary, 1", "probation, 1", "probation, 2", "confirmed, 1", "confirmed, 2"].map {
          "\(kind), \(module), \($0)"
        }
      }
    }
    #expect(found == Set(expected) && list.count == expected.count)
    #expect(most > 20, "there was never a second worker")
    let worst = list.compactMap { Self.numbers($0)["p50"] }.max()
    #expect(worst == (values["fault_to_stable_us_p50_worst"] as? NSNumber)?.doubleValue)
  }

  @Test func `the path is measured with and without the guard, and a breaker's decision`() throws {
    let bench = try Self.modules()
    let figures = try Self.figures([
      "path", "--modules", bench.path, "--rounds", "1", "--batches", "100",
    ])
    for name in ["guard_ratio_1k", "guard_off_ratio_1k", "breaker_ns_p50", "guard_batch_ns_1k"] {
      #expect(figures[name] != nil, "\(name)")
    }
    #expect((figures["breaker_ns_p999"] ?? 0) > 0)
  }

  /// The measured modules, compiled as `tools/bench` does it.
  private static func modules() throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    let built = try run(
      "/bin/bash",
      [
        "-euc", "source tools/bench.d/.path-modules && build_path_modules \"$0\"", directory.path,
      ], in: URL(fileURLWithPath: TestModule.root))
    try #require(built.status == 0, "\(built.errors)")
    return directory
  }

  /// The figures by name; those are no numbers of which a busy machine has left no sample (null).
  private static func figures(_ arguments: [String]) throws -> [String: Double] {
    numbers(try values(arguments))
  }

  private static func numbers(_ values: [String: Any]) -> [String: Double] {
    values.mapValues { ($0 as? NSNumber)?.doubleValue ?? .nan }
  }

  /// All that is measured, by name.
  private static func values(_ arguments: [String]) throws -> [String: Any] {
    let measured = try run(BuiltProduct.path("hitless-bench"), arguments + ["--json"])
    try #require(measured.status == 0, "\(measured.errors)")
    let parsed = try JSONSerialization.jsonObject(with: Data(measured.output.utf8))
    return try #require(parsed as? [String: Any])
  }
}
