import Agent

/// What came out, and what of it must not be.
struct Outcome {
  let workers: Int
  var swaps: UInt64 = 0
  var overdue: UInt64 = 0
  var swapSeconds = 0.0
  /// By how many KiB the process grew from its first swaps to its last.
  var swapGrowth = 0
  /// Of the last chunk of swaps, in nanoseconds.
  var publishMedian: UInt64 = 0
  var graceMedian: UInt64 = 0
  var cycles: UInt64 = 0
  var cycleSeconds = 0.0
  var batches: UInt64 = 0
  var changes: UInt64 = 0
  var lost: UInt64 = 0
  var torn: UInt64 = 0
  var overdueGenerations = 0
  var refusals: UInt64 = 0
  var before: Footprint?
  var after: Footprint?
  private(set) var failures: [String] = []

  init(workers: Int) { self.workers = workers }

  mutating func add(_ report: ExerciseReport) {
    swaps += report.swaps
    overdue += report.overdue
    publishMedian = ExerciseReport.quantile(0.5, of: report.publish)
    graceMedian = ExerciseReport.quantile(0.5, of: report.grace)
  }

  /// Says what is not as it must be.
  mutating func judge(growthLimit: UInt64) {
    func require(_ isRight: Bool, _ what: String) { if !isRight { failures.append(what) } }
    require(lost == 0, "\(lost) packets were lost")
    require(torn == 0, "\(torn) batches met two versions")
    require(overdue == 0 && overdueGenerations == 0, "grace periods were not over in time")
    require(refusals == 0, "\(refusals) requests were refused")
    require(batches > 0 && changes > 0, "the workers have not seen a swap")
    require(swapGrowth <= Int(growthLimit), "memory grew by \(swapGrowth) KiB with the swaps")
    guard let before, let after else { return failures.append("not all was done") }
    let growth = Int(after.memory) - Int(before.memory)
    require(growth <= Int(growthLimit), "memory grew by \(growth) KiB with the cycles")
    require(after.descriptors <= before.descriptors, "descriptors were not closed")
    require(after.threads <= before.threads, "threads have not ended")
    require(after.images == before.images, "modules stay mapped: \(before.images), \(after.images)")
    require(after.objects == before.objects, "objects stay: \(before.objects), \(after.objects)")
  }

  var json: String {
    let figures: [(String, String)] = [
      ("workers", "\(workers)"), ("swaps", "\(swaps)"), ("swap_seconds", Self.text(swapSeconds)),
      ("swap_growth_kib", "\(swapGrowth)"), ("publish_ns_p50", "\(publishMedian)"),
      ("grace_ns_p50", "\(graceMedian)"), ("cycles", "\(cycles)"),
      ("cycle_seconds", Self.text(cycleSeconds)), ("batches", "\(batches)"),
      ("changes_seen", "\(changes)"), ("lost", "\(lost)"), ("torn", "\(torn)"),
      ("overdue", "\(overdue)"), ("before", before?.json ?? "null"),
      ("after", after?.json ?? "null"),
      ("failures", "[" + failures.map { "\"\($0)\"" }.joined(separator: ", ") + "]"),
    ]
    return "{" + figures.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
  }

  private static func text(_ seconds: Double) -> String {
    "\((seconds * 1000).rounded() / 1000)"
  }
}
