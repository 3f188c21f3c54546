internal import CHitless
internal import CPathBench
internal import Guard
internal import HotSwap
internal import Platform
internal import Refusal

/// Lets the module of one stage fail, in every way, while workers run: how long until each is on stable again.
struct FaultMeasurement: Sendable {
  let modules: PathModules
  let sessions: UInt32
  /// How often the module in C faults with one worker, by an access that is a SIGSEGV.
  let faults: Int
  let options: SwapMeasurement.Processors

  /// How often it fails in each of the other ways.
  private static let faultsByKind = 200
  /// How many times as many rounds there may be until one counts.
  private static let patience = 20

  /// Measures all combinations, one after the other.
  func run() throws(Refusal) -> FaultFigures {
    guard path_map_empty_file() == 0 else {
      throw Refusal(.noSpace, "a file without bytes cannot be mapped")
    }
    try modules.room.begin(at: ThreadPlacement(processors: [options.agent]))
    defer { modules.room.end() }
    var figures = FaultFigures()
    for way in FaultFigures.Way.all { figures.nanoseconds[way] = try measure(way) }
    return figures
  }

  /// One worker runs on the thread that publishes, and the second on the watchdog's processor.
  private func measure(_ way: FaultFigures.Way) throws(Refusal) -> [Double] {
    guard let failing = modules.failing[way.language] else {
      throw Refusal(.badELF, "there is no module that fails in \(way.language.name)")
    }
    let count = way == .first ? faults : min(faults, Self.faultsByKind)
    let partner =
      way.workers == 1
      ? nil
      : try FaultPartner(modules: modules, sessions: sessions, onProcessor: options.agent)
    let state = try PathState(sessions: sessions)
    let measured = Result { () throws(Refusal) in
      try runPinned("bench-worker", onProcessor: options.worker) {
        [modules] () throws(Refusal) in
        let worker = try unsafe modules.domain.registerWorker(name: "bench-worker")
        var times: [Double] = []
        var rounds = 0
        // On a busy machine two workers may not meet for long.
        while rounds < count || times.isEmpty && rounds < count * Self.patience {
          rounds += 1
          let round = FaultRound(
            kind: way.kind, stage: way.stage, candidate: failing, modules: modules,
            partner: partner)
          times += try unsafe round.run(worker, state)
        }
        unsafe try modules.domain.unregisterWorker(worker)
        return times
      }
    }
    try partner?.end()
    let times = try measured.get()
    guard !times.isEmpty else {
      throw Refusal(
        .state, "no worker has failed as it was to, in \(count * Self.patience) rounds",
        expected: "\(way.kind.cause), \(way.language.name), \(way.stage), \(way.workers) at once")
    }
    return times
  }
}
