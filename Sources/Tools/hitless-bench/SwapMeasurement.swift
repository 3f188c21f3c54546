internal import CHitless
internal import CPathBench
internal import Glibc
internal import HotSwap
internal import Platform
internal import Refusal

/// What many swaps have shown.
struct SwapFigures: Sendable {
  var publish: [Double] = []
  var grace: [Double] = []
  var gaps: [Double] = []
  var excluded = 0
  var batchMedian = 0.0
  var batchP999 = 0.0
  var batches: UInt64 = 0
  var packets: UInt64 = 0
  var forwarded: [UInt64] = []
  var lost: Int64 = 0
  var mixed: UInt64 = 0

  /// Adds all figures.
  func add(to report: inout Report) {
    let publish = Sample(publish)
    let grace = Sample(grace.map { $0 / batchMedian })
    let gaps = Sample(gaps.map { $0 / batchMedian })
    report.add("publish_us_p50", publish.median / 1000, "first publishing store to last")
    report.add("publish_us_p99", publish.quantile(0.99) / 1000)
    report.add("grace_batches_p50", grace.median, "first store to the end of the grace period")
    report.add("grace_batches_p99", grace.quantile(0.99))
    report.add(
      "worker_gap_batches_p50", gaps.median, "end of a batch to the end of the next, new one")
    report.add("worker_gap_batches_p99", gaps.quantile(0.99))
    report.add("worker_gap_batches_p999", gaps.quantile(0.999))
    report.add("quiet_batch_p999_batches", batchP999 / batchMedian, "batches without a swap")
    report.add("batch_ns_p50", batchMedian, places: 0)
    report.add("gap_samples", Int64(gaps.count))
    report.add(
      "excluded_share", Double(excluded) / Double(max(1, excluded + gaps.count)), places: 4,
      "the worker was switched out meanwhile")
    report.add("batches", Int64(batches))
    report.add("packets", Int64(packets))
    report.add("forwarded_by_a", Int64(forwarded[0]))
    report.add("forwarded_by_b", Int64(forwarded[1]))
    report.add("mixed", Int64(mixed), "batches served by two builds")
    report.add("lost", lost)
  }
}

/// A worker that runs batch after batch, and a thread that swaps under it.
struct SwapMeasurement: Sendable {
  let modules: PathModules
  let state: PathState
  let swaps: Int
  let options: Processors

  /// Where the two threads run.
  struct Processors: Sendable {
    let worker: Int32
    let agent: Int32
  }

  /// Swaps until there were enough, then ends the worker and adds everything up.
  func run() throws(Refusal) -> SwapFigures {
    let watch = Watch(state: state, driver: modules, swaps: swaps)
    let worker: SystemThread
    do throws(SystemError) {
      worker = try SystemThread.start("bench-worker") { [modules, options] in
        watch.run(in: modules.domain, onProcessor: options.worker)
      }
    } catch {
      throw error.refusal
    }
    let swapped = Result { () throws(Refusal) in
      try runPinned("bench-agent", onProcessor: options.agent) {
        () throws(Refusal) in try swap(watch)
      }
    }
    watch.stop()
    worker.join()
    var figures = try swapped.get()
    try watch.add(to: &figures)
    figures.packets = state.received
    figures.forwarded = state.forwarded
    figures.lost = state.lost
    figures.mixed = state.mixed
    return figures
  }

  private func swap(_ watch: Watch) throws(Refusal) -> SwapFigures {
    // Long enough for the worker to have warmed up.
    while watch.batches < 100_000 { try watch.check(); usleep(1000) }
    var figures = SwapFigures()
    var random: UInt64 = 0x9e37_79b9_7f4a_7c15
    for index in 1...swaps {
      let publication = try modules.domain.publish(stable: modules.generations[index % 2])
      guard
        case .passed(let grace) = modules.domain.waitForGrace(publication, timeout: 1_000_000_000)
      else {
        throw Refusal(.state, "the worker has not passed a swap within a second")
      }
      figures.publish.append(Double(publication.publishNanoseconds))
      figures.grace.append(Double(grace.nanoseconds))
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      // At no fixed distance, so that no other period of the machine is met again and again.
      usleep(UInt32(100 + random % 200))
    }
    return figures
  }
}
