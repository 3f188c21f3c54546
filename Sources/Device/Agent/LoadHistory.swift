internal import Refusal

/// When too many loads of modules have failed.
package struct LoadRules: Equatable, Sendable {
  /// So many failures in a row stop the agent from taking patches; 0: no number does.
  package var failuresInARow: UInt64 = 3
  /// So does a share of failures above this, in percent; 100: no share does.
  package var failurePercent: UInt64 = 5
  /// The share counts from so many loads on.
  package var leastLoads: UInt64 = 20

  /// The defaults.
  package init() {}

  /// Throws unless the share is one.
  func check() throws(Refusal) {
    guard failurePercent <= 100 else {
      throw Refusal(
        .usage, "more than all loads cannot fail", expected: "0 to 100 percent",
        found: "\(failurePercent)")
    }
  }
}

/// How loading modules went, since the host started or an operator has released the agent.
///
/// A value without a clock.
struct LoadHistory: Equatable, Sendable {
  private(set) var loads: UInt64 = 0
  private(set) var failures: UInt64 = 0
  private(set) var failuresInARow: UInt64 = 0

  /// Takes note of one load; returns why no more may be tried, if this was one too many.
  mutating func add(isFailure: Bool, _ rules: LoadRules) -> String? {
    loads &+= 1
    guard isFailure else {
      failuresInARow = 0
      return nil
    }
    failures &+= 1
    failuresInARow &+= 1
    if rules.failuresInARow > 0 && failuresInARow >= rules.failuresInARow {
      return "\(failuresInARow) loads in a row have failed"
    }
    let (share, overflow) = failures.multipliedReportingOverflow(by: 100)
    let (allowed, wraps) = loads.multipliedReportingOverflow(by: rules.failurePercent)
    guard !overflow, !wraps, loads >= rules.leastLoads, share > allowed else { return nil }
    return "\(failures) of \(loads) loads have failed"
  }

  /// Begins again.
  mutating func reset() { self = LoadHistory() }
}
