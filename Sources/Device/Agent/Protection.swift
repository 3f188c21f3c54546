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
  /// The candidate of `transaction` went out of force.
  mutating func countRollback(of transaction: Transaction, _ reason: RollbackReason) {
    counters.rollbacks += 1
    metrics.count(.rolledBack)
    metrics.countRollback(of: transaction.changedModules, reason)
    protection.breakers.abandonProbe(transaction.patch.identity, at: MonotonicClock.now)
  }
}

extension Transaction {
  /// The modules that its patch changes.
  func changed(from modules: [StagedModule]) -> [StagedModule] {
    self.modules.filter { new in !modules.contains { $0 === new } }
  }

  /// Names of the modules that its patch changes.
  var changedModules: [String] { patch.manifest.components.map(\.module) }
}
