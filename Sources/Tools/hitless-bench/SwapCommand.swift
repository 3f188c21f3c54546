internal import ArgumentParser
internal import Glibc
internal import Refusal

/// `hitless-bench swap`: what a swap takes, and what it does to a busy worker.
struct SwapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swap",
    abstract: "Measures publication, grace period and a busy worker's gap over many swaps.")

  @OptionGroup var options: Options

  @Option(help: "How many swaps, and as many views of the same code, and as many placebos.")
  var swaps = 20_000

  @Option(help: "Sessions of the path that the worker runs.")
  var sessions: UInt32 = 1000

  @OptionGroup var alternatives: AlternativeOptions

  @Flag(help: "Few moments of everything: to see that it runs, not for figures.")
  var quick = false

  @Flag(
    help: "Publish nothing at the moments of swaps either: what is found then is not the swap's.")
  var rehearse = false

  func validate() throws {
    guard (1...10_000_000).contains(swaps), (1...10_000_000).contains(sessions) else {
      throw ValidationError("--swaps and --sessions take 1 to 10000000")
    }
  }

  func run() throws {
    let modules = try PathModules(in: options.modules)
    let count = quick ? min(swaps, 200) : swaps
    let measurement = try SwapMeasurement(
      modules: modules, state: PathState(sessions: sessions), swaps: count,
      rehearses: rehearse,
      options: SwapMeasurement.Processors(
        worker: options.workerProcessor, agent: options.agentProcessor))
    let outcome = try measurement.run()
    var report = Report("\(count) swaps under one busy worker, batches of 32 packets")
    outcome.add(to: &report)
    let faults = FaultMeasurement(
      modules: modules, sessions: sessions, faults: min(count, 2000),
      options: measurement.options)
    try faults.run().add(to: &report)
    let stopped = try alternatives.stopping(
      modules, sessions: sessions, options: measurement.options, quick: quick
    ).run()
    stopped.add(to: &report)
    try alternatives.restarting(options: measurement.options, quick: quick)?.run()
      .add(to: &report)
    print(report.text(asJSON: options.json))
    guard outcome.lost == 0, outcome.mixed == 0, stopped.lost == 0 else {
      throw ExitCode.failure
    }
  }
}
