internal import CHitless
internal import CPathBench
internal import Guard
internal import HotSwap
internal import Platform
internal import Refusal

/// Lets the module of one stage fault, and loop, while the worker runs: how long until it is on stable again.
struct FaultMeasurement: Sendable {
  let modules: PathModules
  let state: PathState
  let faults: Int
  let options: SwapMeasurement.Processors

  /// What many failures have taken, in nanoseconds.
  struct Times: Sendable {
    /// From the moment before the faulting stage is called to the first instruction on stable.
    var faults: [Double] = []
    /// From the watchdog's decision to the first instruction on stable.
    var loops: [Double] = []

    /// Adds all figures.
    func add(to report: inout Report) {
      let (faults, loops) = (Sample(faults), Sample(loops))
      report.add(
        "fault_to_stable_us_p50", faults.median / 1000,
        "from a faulting instruction to the same batch on stable")
      report.add("fault_to_stable_us_p99", faults.quantile(0.99) / 1000)
      report.add(
        "late_to_stable_us_p50", loops.median / 1000,
        "from the watchdog's decision to the same batch on stable")
      report.add("late_to_stable_us_p99", loops.quantile(0.99) / 1000)
    }
  }

  /// Batches that go well before one that does not, so that caches are as they are at work.
  private static let batchesBetween: UInt64 = 200
  /// Of so many faults one is a loop, which takes as long as the budget.
  private static let faultsPerLoop = 20

  /// Measures on a thread of its own.
  func run() throws(Refusal) -> Times {
    try runPinned("bench-worker", onProcessor: options.worker) { () throws(Refusal) in
      try modules.room.begin(at: ThreadPlacement(processors: [options.agent]))
      defer { modules.room.end() }
      let worker = try unsafe modules.domain.registerWorker(name: "bench-worker")
      var times = Times()
      for index in 0..<faults {
        let isLoop = index % Self.faultsPerLoop == 0
        let nanoseconds = try unsafe fail(worker, isLoop ? PATH_FAIL_LOOP : PATH_FAIL_FAULT)
        if isLoop { times.loops.append(nanoseconds) } else { times.faults.append(nanoseconds) }
      }
      unsafe try modules.domain.unregisterWorker(worker)
      return times
    }
  }

  private func fail(
    _ worker: UnsafeMutablePointer<hitless_worker>, _ kind: Int
  ) throws(Refusal) -> Double {
    // The worker that left it the last time has opened it.
    modules.failing.breaker.close()
    let publication = try modules.domain.publish(
      stable: modules.generations[0], candidate: modules.failing)
    unsafe modules.driver.pointee.run_batches(state.pointer, worker, Self.batchesBetween)
    _ = modules.domain.waitForGrace(publication, timeout: 1_000_000_000)
    let time = unsafe path_fail(state.pointer, worker, UInt32(kind))
    guard time > 0, let fault = modules.room.nextFault() else {
      throw Refusal(.integrity, "a batch that was to fail was not run again")
    }
    modules.room.release(fault)
    guard state.lost == 0, state.mixed == 0 else {
      throw Refusal(
        .integrity, "a fault has cost packets", expected: "0 lost, 0 mixed",
        found: "\(state.lost) lost, \(state.mixed) mixed")
    }
    return Double(kind == PATH_FAIL_LOOP ? fault.nanosecondsToStable : time)
  }
}
