internal import Refusal

/// What speaks against a candidate.
package enum BreakerSource: String, CaseIterable, Sendable {
  /// A signal that its code has raised.
  case fault
  /// A batch that took too long.
  case timeBudget = "time_budget"
  /// Verdicts that say "error" more often than stable's do.
  case errorVerdict = "error_verdict"
  /// A file that may not be loaded.
  case lint
  /// Bytes that are not those that were verified, in the file or in memory.
  case hash
  /// Figures of the packet path that are worse than stable's.
  case health
  /// A module that could not be loaded, or failed its selftest or its `attach`.
  case load
  /// The end of the host while the candidate was on trial.
  case crash
}

/// One failure of a candidate, of whatever kind.
package struct BreakerEvent: Equatable, Sendable {
  package let source: BreakerSource
  /// CLOCK_MONOTONIC nanoseconds.
  package let time: UInt64
  /// Whether it was in the way of loading the module: one that then loads after all is not held back for it.
  package let isOfLoading: Bool

  package init(_ source: BreakerSource, at time: UInt64, isOfLoading: Bool = false) {
    self.source = source
    self.time = time
    self.isOfLoading = isOfLoading
  }
}

/// When a breaker opens, and how it closes again.
package struct BreakerRules: Equatable, Sendable {
  /// Failures are counted, and nothing else: no breaker opens.
  package var isMetricsOnly = false
  /// How long it stays open the first time, in nanoseconds; each time after that twice as long.
  package var wait: UInt64 = 30_000_000_000
  /// How long it stays open at most.
  package var longestWait: UInt64 = 3_600_000_000_000
  /// Batches that are let through to the candidate of a half-open breaker.
  package var batches: UInt64 = 1024
  /// Batches without a failure that close it; at most as many as are let through.
  package var successes: UInt64 = 512
  /// After so many openings the patch is quarantined; 0: never.
  package var openings: UInt64 = 3

  /// The defaults.
  package init() {}

  /// Throws unless a half-open breaker can close.
  func check() throws(Refusal) {
    guard successes > 0, successes <= batches else {
      throw Refusal(
        .usage, "a half-open breaker could never close",
        expected: "1 to \(batches) successes of \(batches) batches", found: "\(successes)")
    }
  }

  /// How long a breaker waits that has opened `count` times.
  func wait(after count: UInt64) -> UInt64 {
    guard count > 1 else { return min(wait, longestWait) }
    let (doubled, overflow) = wait.multipliedReportingOverflow(by: 1 << min(63, count - 1))
    return overflow ? longestWait : min(doubled, longestWait)
  }
}

/// The circuit breaker of one module in one patch.
///
/// A value that reads no clock: what happens depends on the events and the times that it is given, and on
/// nothing else.
package struct Breaker: Equatable, Sendable {
  /// Where it stands.
  package enum State: Equatable, Sendable {
    /// The candidate may be used.
    case closed
    /// Traffic is on stable until this time, and until somebody activates the candidate again.
    case open(until: UInt64)
    /// The candidate is on trial again, with a few batches.
    case halfOpen
  }

  /// What an activation gets as an answer.
  package enum Admission: Equatable, Sendable {
    /// The candidate may have all of the traffic.
    case admitted
    /// It may have a few batches first.
    case probing
    /// Not before so many nanoseconds have passed.
    case refused(left: UInt64)
    /// Not before an operator says so.
    case quarantined
  }

  package private(set) var state = State.closed
  /// How often it has opened; only an operator takes that back.
  package private(set) var openings: UInt64 = 0
  /// How many of these were in the way of loading, since it was last loaded.
  private var loadOpenings: UInt64 = 0
  /// Whether it has opened too often.
  package private(set) var isQuarantined = false
  /// What it was told, by source.
  package private(set) var events: [BreakerSource: UInt64] = [:]

  /// A breaker that has heard of nothing.
  package init() {}

  /// One that has opened before, in an earlier life of the host.
  package init(openings: UInt64, isQuarantined: Bool, openUntil: UInt64) {
    self.openings = openings
    self.isQuarantined = isQuarantined
    state = openings == 0 && !isQuarantined ? .closed : .open(until: openUntil)
  }

  /// Takes note of a failure; returns whether the breaker has opened by it.
  ///
  /// One that is open already stays as it is: several workers fail on the same code at once.
  package mutating func fail(_ event: BreakerEvent, _ rules: BreakerRules) -> Bool {
    events[event.source, default: 0] &+= 1
    if rules.isMetricsOnly { return false }
    if case .open(let until) = state, event.time < until { return false }
    openings &+= 1
    if event.isOfLoading { loadOpenings &+= 1 }
    let (until, overflow) = event.time.addingReportingOverflow(rules.wait(after: openings))
    state = .open(until: overflow ? .max : until)
    if rules.openings > 0 && openings >= rules.openings { isQuarantined = true }
    return true
  }

  /// Whether the candidate may be activated now, and how.
  package func admission(at now: UInt64, _ rules: BreakerRules) -> Admission {
    if isQuarantined { return .quarantined }
    if rules.isMetricsOnly { return .admitted }
    switch state {
    case .closed: return .admitted
    case .halfOpen: return .probing
    case .open(let until): return now < until ? .refused(left: until - now) : .probing
    }
  }

  /// The candidate is in force with a few batches; only after `probing`.
  package mutating func probe() { state = .halfOpen }

  /// The activation after `probe` came to nothing, in one way or the other: the next one may probe at once.
  package mutating func abandonProbe(at now: UInt64) {
    if state == .halfOpen { state = .open(until: now) }
  }

  /// The module was loaded: what was in the way before says nothing any more, unless it was too much.
  package mutating func load(at now: UInt64) {
    guard loadOpenings > 0, !isQuarantined else { return }
    openings -= loadOpenings
    loadOpenings = 0
    state = openings > 0 ? .open(until: now) : .closed
  }

  /// Enough batches went well.
  package mutating func close() {
    if state == .halfOpen { state = .closed }
  }
}
