internal import CPathBench

/// What changing the code of running workers in different ways has shown.
struct StopFigures: Sendable {
  private struct Moments: Sendable {
    var longest: [Double] = []
    /// From the request until the last worker had served a batch with new code only.
    var arrival: [Double] = []
    /// Time that each worker has taken for the batches meanwhile, and how many there were.
    var spans: [(span: Double, served: Double)] = []
    var moments = 0
    var mixed = 0
    var missed = 0
    var disturbed = 0
  }

  let workers: Int
  private var arms: [StopArm: Moments] = [:]
  private var quiet: [Double] = []
  var lost: Int64 = 0

  init(workers: Int) { self.workers = workers }

  /// Adds what one moment has shown; of a disturbed one, in which another program had a worker's processor, only that.
  mutating func add(
    _ arm: StopArm, _ passages: [crew_passage?], _ request: UInt64, isDisturbed: Bool
  ) {
    var moments = arms[arm] ?? Moments()
    defer { arms[arm] = moments }
    if isDisturbed {
      moments.disturbed += 1
      return
    }
    let found = passages.compactMap(\.self)
    moments.moments += 1
    moments.missed += passages.count - found.count
    moments.longest += found.map { Double($0.longest) }
    moments.spans += found.map { (Double($0.span), Double($0.served)) }
    if found.contains(where: { $0.mixed > 0 }) { moments.mixed += 1 }
    if found.count == passages.count, let last = found.map(\.arrived).max() {
      moments.arrival.append(Double(last - request))
    }
    if arm == .nothing { quiet += found.map { Double($0.quiet) } }
  }

  /// Adds all figures.
  func add(to report: inout Report) {
    let batch = Sample(quiet).median
    report.add("stop_workers", Int64(workers), "threads whose code is changed in the rows below")
    report.add("stop_batch_ns_p50", batch, places: 0)
    for arm in StopArm.allCases { add(arm, arms[arm] ?? Moments(), batch, to: &report) }
    report.add("stop_lost", lost)
  }

  private func add(
    _ arm: StopArm, _ moments: Moments, _ batch: Double, to report: inout Report
  ) {
    let note =
      switch arm {
      case .hitless: "announcing and publishing a view"
      case .signals: "all threads parked in a handler"
      case .ptrace: "all threads stopped by another process"
      case .nothing: "nothing changed"
      }
    let name = "stop_\(arm.rawValue)"
    let arrival = Sample(moments.arrival.map { $0 / 1000 })
    report.add("\(name)_all_new_us_p50", arrival.median, "\(note): until all run new code")
    report.add("\(name)_all_new_us_p99", arrival.quantile(0.99))
    let longest = Sample(moments.longest.map { $0 / 1000 })
    let unserved = Sample(moments.spans.map { max(0, $0.span / batch - $0.served) })
    for (suffix, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
      let gap = longest.quantile(share)
      report.add(
        "\(name)_gap_us_\(suffix)", gap, share == 0.5 ? "a worker's longest batch meanwhile" : "")
      report.add("\(name)_gap_batches_\(suffix)", gap * 1000 / batch)
      report.add(
        "\(name)_unserved_batches_\(suffix)", unserved.quantile(share),
        share == 0.5 ? "batches that were not served meanwhile" : "")
    }
    report.add(
      "\(name)_mixed_share", Double(moments.mixed) / Double(max(1, moments.moments)), places: 5,
      "moments at which a batch was served by both builds")
    report.add(
      "\(name)_excluded_share",
      Double(moments.disturbed) / Double(max(1, moments.disturbed + moments.moments)), places: 4,
      "a worker was switched out for another program")
    report.add("\(name)_missed", Int64(moments.missed), "workers that nobody could look at in time")
  }
}
