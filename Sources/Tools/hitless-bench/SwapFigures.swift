/// What many swaps have shown.
struct SwapFigures: Sendable {
  var publish: [Double] = []
  var grace: [Double] = []
  /// From an announcement until the worker had fetched everything.
  var announcement: [Double] = []
  var gaps: [SwapArm: SwapGaps] = [:]
  var entryNanoseconds: UInt64 = 0
  var batchMedian = 0.0
  var batchP999 = 0.0
  /// Quantiles of the batches that fetched lines ahead.
  var fetchingMedian = 0.0
  var fetchingP99 = 0.0
  /// Announcements after which the worker was not ready in time.
  var unready = 0
  var batches: UInt64 = 0
  var packets: UInt64 = 0
  var forwarded: [UInt64] = []
  var lost: Int64 = 0
  var mixed: UInt64 = 0
  var machine = MachineState()

  /// Batches that a swap may take, by the target.
  private static let limit = 2.0

  /// Adds all figures.
  func add(to report: inout Report) {
    let publish = Sample(publish)
    let grace = Sample(grace.map { $0 / batchMedian })
    report.add("publish_us_p50", publish.median / 1000, "first publishing store to last")
    report.add("publish_us_p99", publish.quantile(0.99) / 1000)
    report.add("grace_batches_p50", grace.median, "first store to the end of the grace period")
    report.add("grace_batches_p99", grace.quantile(0.99))
    let announcement = Sample(announcement)
    report.add(
      "announce_us_p50", announcement.median / 1000, "until the worker has fetched all lines")
    report.add("announce_us_p99", announcement.quantile(0.99) / 1000)
    report.add(
      "fetching_batches_p50", fetchingMedian / batchMedian, "batches that fetch lines ahead")
    report.add("fetching_batches_p99", fetchingP99 / batchMedian)
    report.add("unready", Int64(unready), "swaps that did not wait longer for that")
    for arm in SwapArm.allCases { addGap(of: arm, to: &report) }
    addComparison(to: &report)
    report.add("quiet_batch_p999_batches", batchP999 / batchMedian, "batches without a new view")
    report.add("batch_ns_p50", batchMedian, places: 0)
    report.add("entry_ns", Int64(entryNanoseconds), "into a batch, when it loads its view")
    for arm in SwapArm.allCases { addExclusions(of: arm, to: &report) }
    machine.add(to: &report)
    report.add("batches", Int64(batches))
    report.add("packets", Int64(packets))
    report.add("forwarded_by_a", Int64(forwarded[0]))
    report.add("forwarded_by_b", Int64(forwarded[1]))
    report.add("mixed", Int64(mixed), "batches served by two builds")
    report.add("lost", lost)
  }

  private func samples(of arm: SwapArm) -> (all: Sample, undisturbed: Sample) {
    let gaps = gaps[arm] ?? SwapGaps()
    return (
      Sample(gaps.all.map { $0 / batchMedian }), Sample(gaps.undisturbed.map { $0 / batchMedian })
    )
  }

  private func addGap(of arm: SwapArm, to report: inout Report) {
    let (all, undisturbed) = samples(of: arm)
    let note =
      switch arm {
      case .swap: "end of a batch to the end of the next one, with the new code"
      case .one: "the same with new code of one module"
      case .coldSwap: "as the first, not announced"
      case .coldOne: "new code of one module, not announced"
      case .view: "the same with a new view of the same code"
      case .placebo: "the same with nothing published"
      }
    report.add("\(arm.name)_batches_p50", all.median, note)
    report.add("\(arm.name)_batches_p99", all.quantile(0.99))
    report.add("\(arm.name)_batches_p999", all.quantile(0.999))
    report.add(
      "\(arm.name)_undisturbed_p99", undisturbed.quantile(0.99),
      "without an interrupt meanwhile")
    report.add("\(arm.name)_undisturbed_p999", undisturbed.quantile(0.999))
    report.add("\(arm.name)_over_2_share", undisturbed.share(over: Self.limit), places: 5)
  }

  /// What is left of swap and view when the machine's own share is taken out.
  private func addComparison(to report: inout Report) {
    report.add(
      "worker_gap_to_placebo_p999",
      samples(of: .swap).all.quantile(0.999) / samples(of: .placebo).all.quantile(0.999))
    let placebo = samples(of: .placebo).undisturbed
    for arm in SwapArm.allCases where arm != .placebo {
      let sample = samples(of: arm).undisturbed
      let comparison = Comparison(sample, against: placebo)
      let excess = comparison.excess(over: Self.limit)
      let own = arm.ownName
      report.add(
        "\(own)_over_2_share", excess.value, places: 5, "more than of the placebos, 95 %:")
      report.add("\(own)_over_2_share_low", excess.low, places: 5)
      report.add("\(own)_over_2_share_high", excess.high, places: 5)
      report.add("\(own)_batches_p50", sample.median - placebo.median + 1, "less the placebos'")
      report.add("\(own)_batches_p99", comparison.quantile(0.99), "see docs/benchmarks.md")
      report.add("\(own)_batches_p999", comparison.quantile(0.999))
      report.add(
        "\(own)_batches_p999_high", comparison.quantile(0.999, \.high),
        "upper end of 95 % confidence")
    }
  }

  private func addExclusions(of arm: SwapArm, to report: inout Report) {
    let gaps = gaps[arm] ?? SwapGaps()
    let events = Double(max(1, gaps.events))
    let prefix = arm == .swap ? "" : "\(arm.name)_"
    let samples = arm == .swap ? "gap_samples" : "\(arm.name)_samples"
    report.add(samples, Int64(gaps.all.count))
    report.add(
      "\(prefix)excluded_share", Double(gaps.switchedOut) / events, places: 4,
      "the worker was switched out meanwhile")
    report.add(
      "\(prefix)interrupted_share", Double(gaps.interrupted) / events, places: 4,
      "its processor was interrupted: not among the undisturbed")
    report.add(
      "\(prefix)missed_share", Double(gaps.missed) / events, places: 4,
      "the agent's thread was too late to see")
  }
}
