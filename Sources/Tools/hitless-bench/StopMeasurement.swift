internal import CPathBench
internal import Glibc
internal import HotSwap
internal import Platform
internal import Refusal

/// How the code of running workers is changed.
enum StopArm: String, CaseIterable, Sendable {
  /// A new view, announced as an activation does it. The announcement counts as part of it.
  case hitless
  /// All workers are parked in a signal handler while the functions are changed.
  case signals
  /// Another process seizes and interrupts all workers, changes the functions and lets go.
  case ptrace
  /// Nothing is changed; the workers are watched for as long as the last view took.
  case nothing
}

/// Workers under load whose code is changed in four ways, in turn.
struct StopMeasurement: Sendable {
  let modules: PathModules
  let sessions: UInt32
  let rounds: Int
  let workers: Int
  let options: SwapMeasurement.Processors

  /// A worker on each processor but the agent's.
  static var workersByDefault: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) - 1) }

  /// The builds in force: of the functions and of the views, and how long a view took last.
  private struct Position {
    var functions = 0
    var views = 0
    var lastView: UInt64 = 0
    var random = Random()
  }

  /// Measures on threads of its own.
  func run() throws(Refusal) -> StopFigures {
    guard crew_prepare_signals() == 0 else {
      throw SystemError.last("sigaction", "the benchmark's signal").refusal
    }
    _ = try modules.domain.publish(stable: modules.generations[0])
    let count = max(1, Int32(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    let others = (0..<count).filter { $0 != options.agent || count == 1 }
    // The worker's processor first, then the others in turn, but never the agent's.
    let ordered = [options.worker] + others.filter { $0 != options.worker }
    let crew = try Crew(
      modules: modules, sessions: sessions,
      processors: (0..<workers).map { ordered[$0 % ordered.count] })
    let figures = Result { () throws(Refusal) in
      try runPinned("bench-agent", onProcessor: options.agent) {
        () throws(Refusal) in try observe(crew)
      }
    }
    crew.stop()
    var result = try figures.get()
    result.lost = crew.lost
    return result
  }

  private func observe(_ crew: Crew) throws(Refusal) -> StopFigures {
    let tracer = try Tracer()
    defer { tracer.stop() }
    try crew.pass(20_000)
    var figures = StopFigures(workers: workers)
    var position = Position()
    for _ in 0..<rounds {
      for arm in StopArm.allCases.shuffled(using: &position.random) {
        try observe(arm, crew, tracer, &position, &figures)
      }
    }
    return figures
  }

  private func observe(
    _ arm: StopArm, _ crew: Crew, _ tracer: Tracer, _ position: inout Position,
    _ figures: inout StopFigures
  ) throws(Refusal) {
    try crew.serve(byView: arm == .hitless || arm == .nothing)
    pause(microseconds: UInt32.random(in: 50..<200, using: &position.random))
    let preemptions = crew.preemptions
    let request = MonotonicClock.now
    var until = request
    var build = position.views
    switch arm {
    case .hitless:
      position.views = 1 - position.views
      build = position.views
      try publish(modules.generations[build])
      position.lastView = MonotonicClock.now - request
    case .signals:
      position.functions = 1 - position.functions
      build = position.functions
      try crew.swapBySignals(to: build)
    case .ptrace:
      position.functions = 1 - position.functions
      build = position.functions
      let code = tracer.obey(crew.order(to: build))
      guard code == 0 else {
        throw SystemError("ptrace", code, "the benchmark's own workers").refusal
      }
    case .nothing:
      until = request + position.lastView
      pause(microseconds: UInt32(position.lastView / 1000))
    }
    // Until each has looked at its switches at least once behind the last batch in question.
    try crew.pass(UInt64(PATH_WINDOW) + 16)
    figures.add(
      arm, crew.passages(since: request, until: until, build: build), request,
      isDisturbed: zip(preemptions, crew.preemptions).contains(where: !=))
  }

  private func publish(_ next: Generation) throws(Refusal) {
    _ = try modules.domain.announce(next, timeout: 5_000_000)
    let publication = try modules.domain.publish(stable: next)
    guard case .passed = modules.domain.waitForGrace(publication, timeout: 1_000_000_000) else {
      throw Refusal(.state, "a worker has not passed a swap within a second")
    }
  }
}

/// Gives the processor away for about so long.
func pause(microseconds: UInt32) { usleep(microseconds) }
