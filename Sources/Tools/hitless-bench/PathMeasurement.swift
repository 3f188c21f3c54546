internal import CHitless
internal import CPathBench
internal import Guard
internal import HotSwap
internal import Platform
internal import Refusal

/// The ways to run the same batches.
enum PathVariant: String, CaseIterable, Sendable {
  case inlined
  case slots
  /// `hitless_run_batch` without a candidate.
  case unguarded
  /// `hitless_run_batch` with one, and with a deadline.
  case guarded
  case swapping
  case fused
}

extension PathVariant {
  /// How its figures begin.
  var name: String {
    switch self {
    case .unguarded: "guard_off"
    case .guarded: "guard"
    default: rawValue
    }
  }
}

/// What one size has taken, per variant and round.
struct PathTimes: Sendable {
  /// Nanoseconds per packet, by round.
  var nanoseconds: [PathVariant: [Double]] = [:]
  var swaps: UInt64 = 0

  /// Adds the figures of this size.
  func add(to report: inout Report, _ suffix: String) {
    let inlined = nanoseconds[.inlined] ?? []
    report.add("inlined_ns_\(suffix)", Sample(inlined).median, places: 2, "median")
    for variant in PathVariant.allCases where variant != .inlined {
      let times = nanoseconds[variant] ?? []
      // Of the same round: what slows the machine down for a while slows both.
      let ratios = Sample(zip(times, inlined).map { $0 / $1 })
      report.add("\(variant.name)_ratio_\(suffix)", ratios.median, "median of the rounds' ratios")
      if variant == .unguarded || variant == .guarded {
        let own = Sample(zip(times, inlined).map { ($0 - $1) * Double(PATH_BATCH) })
        report.add(
          "\(variant.name)_batch_ns_\(suffix)", own.median, places: 1,
          "ns per batch more than inlined")
      }
      report.add(
        "\(variant.name)_ratio_\(suffix)_of_minima",
        Sample(times).minimum / Sample(inlined).minimum,
        "ratio of the two fastest rounds")
    }
    report.add("inlined_ns_\(suffix)_minimum", Sample(inlined).minimum, places: 2)
    report.add("swaps_\(suffix)", Int64(swaps), "while swapping every millisecond")
  }
}

/// Runs every variant in turn, round after round, at one size.
struct PathMeasurement: Sendable {
  let modules: PathModules
  let sessions: UInt32
  let rounds: Int
  let batches: UInt64
  let agentProcessor: Int32

  /// Measures on the calling thread, which must be bound to a processor.
  ///
  /// Fails when two runs have not put out the same.
  func run() throws(Refusal) -> PathTimes {
    let state = try PathState(sessions: sessions)
    let worker = try unsafe modules.domain.registerWorker(name: "bench-worker")
    let swapper = try Swapper(
      modules.domain, modules.generations, every: 1_000_000, onProcessor: agentProcessor)
    var times = PathTimes()
    var digest: UInt64?
    // The first round only warms up.
    for round in 0...rounds {
      for offset in PathVariant.allCases.indices {
        let variant = PathVariant.allCases[(round + offset) % PathVariant.allCases.count]
        state.reset()
        let time = try unsafe time(variant, state, worker, swapper, round)
        guard digest == nil || digest == state.digest, state.lost == 0, state.mixed == 0 else {
          throw Refusal(
            .integrity, "variant '\(variant)' has not done the same work",
            expected: "\(digest ?? 0), 0 lost, 0 mixed",
            found: "\(state.digest), \(state.lost) lost, \(state.mixed) mixed")
        }
        digest = state.digest
        if round > 0 { times.nanoseconds[variant, default: []].append(time) }
      }
    }
    times.swaps = try swapper.stop()
    unsafe try modules.domain.unregisterWorker(worker)
    return times
  }

  /// Puts in force what the variant runs on.
  private func prepare(_ variant: PathVariant, _ round: Int) throws(Refusal) {
    // Both builds take their turn, so that neither's place in memory decides.
    let generation = modules.generations[round % 2]
    switch variant {
    case .inlined, .fused, .swapping: return
    case .slots, .unguarded: _ = try modules.domain.publish(stable: generation)
    case .guarded:
      try modules.room.begin(at: ThreadPlacement(processors: [agentProcessor]))
      _ = try modules.domain.publish(
        stable: generation, candidate: generation,
        deadline: MonotonicClock.now + 3_600_000_000_000)
    }
  }

  /// Nanoseconds per packet of one run.
  private func time(
    _ variant: PathVariant, _ state: PathState, _ worker: UnsafeMutablePointer<hitless_worker>,
    _ swapper: Swapper, _ round: Int
  ) throws(Refusal) -> Double {
    let driver = unsafe modules.driver.pointee
    try prepare(variant, round)
    defer { if variant == .guarded { modules.room.end() } }
    if variant == .swapping { swapper.begin() }
    let start = processorNanoseconds()
    switch variant {
    case .inlined: unsafe driver.run_inlined(state.pointer, batches)
    case .fused: unsafe driver.run_fused(state.pointer, batches)
    case .slots, .swapping: unsafe driver.run_slots(state.pointer, worker, batches)
    case .unguarded, .guarded: unsafe driver.run_batches(state.pointer, worker, batches)
    }
    let end = processorNanoseconds()
    if variant == .swapping {
      // The swapper waits for this worker's next batch, which is not in this run any more.
      unsafe hitless_idle(worker)
      swapper.pause()
      unsafe hitless_resume(worker)
    }
    return Double(end - start) / Double(batches * UInt64(PATH_BATCH))
  }
}
