internal import ArgumentParser
internal import Glibc
internal import Refusal

/// `hitless-bench path`: one inlined function, slots, and slots that are being swapped.
struct PathCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "path",
    abstract: "Compares one inlined function with slots, and with slots that are being swapped.")

  @OptionGroup var options: Options

  @Option(help: "How often each variant runs at each size.")
  var rounds = 30

  @Option(help: "Batches of one run.")
  var batches: UInt64 = 20_000

  func run() throws {
    let modules = try PathModules(in: options.modules)
    var report = Report(
      "packet path: ns of processor time per packet, ratios to the inlined function")
    for (sessions, suffix) in [(UInt32(1000), "1k"), (1_000_000, "1m")] {
      let measurement = PathMeasurement(
        modules: modules, sessions: sessions, rounds: rounds, batches: batches,
        agentProcessor: options.agentProcessor)
      let times = try runPinned("bench-worker", onProcessor: options.workerProcessor) {
        () throws(Refusal) in try measurement.run()
      }
      times.add(to: &report, suffix)
    }
    let breaker = try runPinned("bench-worker", onProcessor: options.workerProcessor) {
      () throws(Refusal) in try BreakerMeasurement()
    }
    breaker.add(to: &report)
    print(report.text(asJSON: options.json))
  }
}
