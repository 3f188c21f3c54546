internal import CPathBench

/// What the agent's thread does at one of its moments; in all of them it wakes, looks and waits alike.
enum SwapArm: String, CaseIterable, Sendable {
  /// Announces the other build of all modules, and publishes a view with it.
  case swap
  /// Announces and publishes another file of one module, as after most patches.
  case one
  /// As `swap`, but not announced: the worker meets code that it has not fetched.
  case coldSwap
  /// As `one`, but not announced.
  case coldOne
  /// Publishes a new view of the generation that is in force: a swap without new code.
  case view
  /// Publishes nothing: what the machine does to a batch anyway.
  case placebo

  /// How its figures are called.
  var name: String {
    switch self {
    case .swap: "worker_gap"
    case .one: "one_module_gap"
    case .coldSwap: "cold_gap"
    case .coldOne: "cold_one_module_gap"
    case .view: "view_gap"
    case .placebo: "placebo"
    }
  }

  /// How the figures without the machine's share begin.
  var ownName: String {
    switch self {
    case .coldSwap: "cold_own"
    case .coldOne: "cold_one_own"
    default: "\(rawValue)_own"
    }
  }

  /// Whether workers are told beforehand.
  var isAnnounced: Bool { self == .swap || self == .one }
}

/// One moment, and what the worker was doing then.
struct SwapEvent: Sendable {
  let arm: SwapArm
  /// Of the view that was published; 0 when none was.
  var sequence: UInt64 = 0
  /// When it was published, or would have been.
  var time: UInt64 = 0
  /// The batch in which `time` lies and the one after it; nil when the worker remembers neither.
  var batches: (first: path_interval, second: path_interval)?
  /// Whether the worker's thread was switched out around it.
  var wasSwitchedOut = false
  /// Whether the worker's processor took an interrupt around it.
  var wasInterrupted = false
}

/// The time that the worker took for the batch that met, or would have met, the new view.
struct SwapGaps: Sendable {
  /// All that count, in nanoseconds.
  private(set) var all: [Double] = []
  /// Those without an interrupt.
  private(set) var undisturbed: [Double] = []
  private(set) var events = 0
  private(set) var switchedOut = 0
  private(set) var interrupted = 0
  /// Moments for which the agent's thread came too late to know the batch.
  private(set) var missed = 0

  /// Adds one moment; `gap` is nil when the batch is not known.
  mutating func add(_ event: SwapEvent, _ gap: path_interval?) {
    events += 1
    guard let gap else {
      missed += 1
      return
    }
    guard !event.wasSwitchedOut else {
      switchedOut += 1
      return
    }
    let time = Double(gap.end - gap.begin)
    all.append(time)
    if event.wasInterrupted { interrupted += 1 } else { undisturbed.append(time) }
  }
}

/// Finds the batch of every moment.
struct SwapMatching {
  /// What the worker has noted about each view, by its sequence.
  let views: [UInt64: path_interval]
  /// How long after its beginning a batch loads its view.
  private let entry: UInt64

  /// Learns from the moments at which something was published when a batch loads its view.
  ///
  /// It does so after it has received its packets, so some views that are published during a batch are
  /// still taken by that one. By the same rule the batch of a placebo is chosen.
  init(_ events: [SwapEvent], views: [UInt64: path_interval]) {
    self.views = views
    var phases: [UInt64] = []
    var taken = 0
    for event in events {
      guard let view = views[event.sequence], let batch = event.batches?.first,
        batch.begin <= event.time, event.time < batch.end
      else { continue }
      phases.append(event.time - batch.begin)
      if view.begin == batch.begin { taken += 1 }
    }
    phases.sort()
    // A share of the phases as large as that of the batches under way that took the view.
    entry = taken == 0 ? 0 : phases[taken - 1]
  }

  /// From the beginning of a batch to the moment at which it loads its view.
  var entryNanoseconds: UInt64 { entry }

  /// The batch that met the view, or would have met it.
  func gap(_ event: SwapEvent) -> path_interval? {
    // A thread that is late knows no placebo's batch: then a swap's does not count either.
    guard let batches = event.batches else { return nil }
    if event.sequence != 0 { return views[event.sequence] }
    return batches.first.begin + entry > event.time ? batches.first : batches.second
  }
}
