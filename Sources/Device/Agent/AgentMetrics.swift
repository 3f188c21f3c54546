internal import HotSwap

/// What is counted for `metrics` beyond the counters of `list`, since the agent was opened.
struct AgentMetrics: Sendable {
  /// One module and one reason for which it was rolled back.
  struct Rollback: Hashable, Sendable {
    let module: String
    let reason: RollbackReason
  }

  /// How a transaction ended, or that it did not begin.
  enum Result: String, CaseIterable, Sendable {
    /// It is stable.
    case confirmed
    /// It was in force, and is not any more.
    case rolledBack = "rolled_back"
    /// It was staged, and never in force.
    case dropped
    /// Its patch was refused.
    case refused
  }

  /// The module of rollbacks of which nobody knows any more what they concerned.
  static let unknownModule = "unknown"

  private(set) var results: [Result: UInt64] = [:]
  private(set) var rollbacks: [Rollback: UInt64] = [:]
  /// Faults by signal, or "budget".
  private(set) var faults: [String: UInt64] = [:]
  /// What breakers were told, by source.
  private(set) var failures: [BreakerSource: UInt64] = [:]

  /// First publishing store to the last.
  var publish = Histogram(from: 100, to: 1_000_000)
  /// First publishing store to the end of the grace period.
  var grace = Histogram(from: 1_000, to: 10_000_000_000)
  /// A patch's way from its bytes to a generation.
  var stage = Histogram(from: 1_000_000, to: 100_000_000_000)
  /// The part of it that was verification.
  var verify = Histogram(from: 10_000, to: 10_000_000_000)
  /// Grace periods that were not over in time.
  var overdueGracePeriods: UInt64 = 0

  /// Copies of batches that were run on both sides.
  var shadow = ShadowCounts()

  /// Modules that were compared with their golden image, all of it.
  var goldenChecks: UInt64 = 0
  var goldenBytes: UInt64 = 0
  var goldenMismatches: UInt64 = 0

  /// The sequences of the last views that were put in force, with the time.
  private(set) var publications: [(sequence: UInt64, time: UInt64)] = []

  /// Records that were moved in migrations that are over.
  var migrated = MigrationCounts()

  /// What a batch costs more than without an agent; measured when somebody asks for the first time.
  var batchCost: BatchCost?

  mutating func count(_ result: Result) { results[result, default: 0] &+= 1 }

  mutating func countRollback(of modules: [String], _ reason: RollbackReason) {
    for module in modules.isEmpty ? [Self.unknownModule] : modules {
      rollbacks[Rollback(module: module, reason: reason), default: 0] &+= 1
    }
  }

  mutating func countFault(_ cause: String) { faults[cause, default: 0] &+= 1 }

  mutating func countFailure(_ source: BreakerSource) { failures[source, default: 0] &+= 1 }

  /// Takes note of one swap whose wait is over.
  mutating func add(_ report: SwapReport, sequence: UInt64, at time: UInt64) {
    publish.add(report.publishNanoseconds)
    if let nanoseconds = report.graceNanoseconds {
      grace.add(nanoseconds)
    } else {
      overdueGracePeriods &+= 1
    }
    notePublication(sequence, at: time)
  }

  /// Workers that are further behind than this look as old as the oldest that is kept.
  private static let publicationLimit = 64

  mutating func notePublication(_ sequence: UInt64, at time: UInt64) {
    let index = publications.lastIndex { $0.sequence <= sequence }.map { $0 + 1 } ?? 0
    publications.insert((sequence, time), at: index)
    if publications.count > Self.publicationLimit { publications.removeFirst() }
  }

  /// When the view was put in force that a worker uses which has reported `sequence`.
  func beginning(of sequence: UInt64) -> UInt64? {
    publications.last { $0.sequence <= sequence }?.time ?? publications.first?.time
  }

  /// Since when a worker that has reported `sequence` has not taken up a newer view; nil when it has the newest.
  func behindSince(_ sequence: UInt64) -> UInt64? {
    publications.first { $0.sequence > sequence }?.time
  }
}
