internal import Digests
internal import Journal
internal import PatchFormat
internal import Platform
internal import Staging
internal import Verification

/// A patch as breakers know it.
typealias BreakerPatch = SHA256Digest

/// Where a breaker stands as a whole, as metrics and `list` name it.
enum BreakerCondition: String, CaseIterable, Sendable {
  case closed
  case open
  case halfOpen = "half_open"
  case quarantined
  /// An operator keeps every patch out.
  case forcedOpen = "forced_open"
  /// Failures are counted, and nothing else.
  case metricsOnly = "metrics_only"
}

/// What keeps patches out, and what speaks for it.
///
/// Threading: guarded by the agent's monitor.
struct Protection: Sendable {
  let rules: BreakerRules
  let loadRules: LoadRules
  var breakers = BreakerTable()
  /// An operator's order.
  var frozen: BreakerRecord.Hold?
  /// The agent's own: too many loads have failed.
  var stopped: BreakerRecord.Hold?
  /// What an earlier life has kept could not be read yet, and nothing may be written in its place.
  var isUnread = false
  var loads = LoadHistory()
  var loadCount: UInt64 = 0
  var loadFailureCount: UInt64 = 0
  /// Modules in whose memory something has changed; never put in force again.
  var damaged: [StagedModule] = []

  init(_ rules: BreakerRules = BreakerRules(), _ loadRules: LoadRules = LoadRules()) {
    self.rules = rules
    self.loadRules = loadRules
  }

  func isDamaged(_ module: StagedModule) -> Bool { damaged.contains { $0 === module } }

  /// Where the breaker of a module stands while `patch` is the one in question; without one, closed.
  func breakerState(
    of module: String, patch: BreakerPatch?, at now: UInt64
  ) -> BreakerCondition {
    if frozen != nil || stopped != nil { return .forcedOpen }
    if rules.isMetricsOnly { return .metricsOnly }
    guard let patch else { return .closed }
    if breakers.isQuarantined(patch) { return .quarantined }
    switch breakers[BreakerTable.Key(patch: patch, module: module)].state {
    case .closed: return .closed
    case .open: return .open
    case .halfOpen: return .halfOpen
    }
  }
}

extension Agent.State {
  /// Nothing of the candidate of `transaction` is in force any more; returns the breakers that have opened by it.
  mutating func endTrial(
    of transaction: Transaction, _ reason: RollbackReason
  ) -> [BreakerTable.Key] {
    self.transaction?.state = .rolledBack
    self.transaction?.shadow?.isOver = true
    self.transaction?.confirmBy = nil
    return countRollback(of: transaction, reason)
  }

  /// The candidate of `transaction` went out of force; returns the breakers that have opened by it.
  ///
  /// A fault was told to them before, by who has answered for it; so was a change in memory.
  private mutating func countRollback(
    of transaction: Transaction, _ reason: RollbackReason
  ) -> [BreakerTable.Key] {
    counters.rollbacks += 1
    metrics.count(.rolledBack)
    metrics.countRollback(of: transaction.changedModules, reason)
    let (patch, now) = (transaction.patch.identity, MonotonicClock.now)
    var opened: [BreakerTable.Key] = []
    if let source = reason.source {
      metrics.countFailure(source)
      for module in transaction.changedModules {
        let key = BreakerTable.Key(patch: patch, module: module)
        let event = BreakerEvent(source, at: now)
        if protection.breakers.fail(key, event, protection.rules) { opened.append(key) }
      }
    }
    protection.breakers.abandonProbe(patch, at: now)
    return opened
  }
}

extension Transaction {
  /// The modules that its patch changes.
  func changed(from modules: [StagedModule]) -> [StagedModule] {
    self.modules.filter { new in !modules.contains { $0 === new } }
  }

  /// Names of the modules that its patch changes.
  var changedModules: [String] { patch.manifest.components.map(\.module) }

  /// What is written down while its candidate is in force.
  var trial: Trial { Trial(number, of: patch.identity, changedModules) }
}

extension RollbackReason {
  /// What a rollback by itself tells the breakers; nil where it says nothing against the candidate, or where they
  /// were told before.
  var source: BreakerSource? {
    switch self {
    case .health, .migration: .health
    case .divergence: .errorVerdict
    case .asked, .notConfirmed, .fault, .overBudget, .inconclusive, .goldenHashMismatch, .frozen,
      .crash, .bootLoop:
      nil
    }
  }
}
