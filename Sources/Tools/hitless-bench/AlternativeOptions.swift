internal import ArgumentParser

/// What the alternatives to a swap are measured with.
struct AlternativeOptions: ParsableArguments {
  @Option(help: "How often all workers are stopped, in each way.")
  var stops = 2000

  @Option(help: "Workers that are stopped together; default: one less than there are processors.")
  var stopWorkers: Int?

  @Option(help: "upfd, to be ended and started anew; default: that is not measured.")
  var upfd: String?

  @Option(help: "Directory with classify.so, qer.so and hitless-probe for it.")
  var upfdModules = ""

  @Option(help: "How often it is started anew.")
  var restarts = 5

  @Option(help: "Sessions that it has.")
  var restartSessions: UInt32 = 1_000_000

  @Option(help: "Packets per second that it is offered.")
  var restartLoad: UInt64 = 10_000

  func validate() throws {
    guard (1...1_000_000).contains(stops), (1...1000).contains(restarts) else {
      throw ValidationError("--stops takes 1 to 1000000, --restarts 1 to 1000")
    }
    guard (1...64).contains(stopWorkers ?? 1) else {
      throw ValidationError("--stop-workers takes 1 to 64")
    }
    guard (1...1_000_000).contains(restartSessions), (100...1_000_000).contains(restartLoad) else {
      throw ValidationError("--restart-sessions takes 1 to 1000000, --restart-load 100 to 1000000")
    }
  }

  /// All workers stopped, beside a swap of theirs.
  func stopping(
    _ modules: PathModules, sessions: UInt32, options: SwapMeasurement.Processors, quick: Bool
  ) -> StopMeasurement {
    StopMeasurement(
      modules: modules, sessions: sessions, rounds: quick ? min(stops, 50) : stops,
      workers: stopWorkers ?? StopMeasurement.workersByDefault, options: options)
  }

  /// A process that is started anew; nil when none is named.
  func restarting(options: SwapMeasurement.Processors, quick: Bool) -> RestartMeasurement? {
    guard let upfd else { return nil }
    return RestartMeasurement(
      upfd: upfd, modules: upfdModules, probe: "\(upfdModules)/hitless-probe",
      sessions: quick ? min(restartSessions, 20_000) : restartSessions,
      restarts: quick ? 1 : restarts, packetsPerSecond: restartLoad, options: options)
  }
}
