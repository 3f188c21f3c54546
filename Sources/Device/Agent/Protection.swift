internal import Digests
internal import Journal
internal import PatchFormat
internal import Platform
internal import Refusal
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
  /// Where a module has its own.
  var rulesOfModules: [String: BreakerRules]
  var breakers = BreakerTable()
  /// An operator's order.
  var frozen: BreakerRecord.Hold?
  /// An operator's order about patches that change one module, by its name.
  var held: [String: BreakerRecord.Hold] = [:]
  /// The agent's own: too many loads have failed.
  var stopped: BreakerRecord.Hold?
  /// What stands for what an earlier life has kept when that could not be read yet; nothing may be written in its
  /// place.
  var unread: BreakerRecord.Hold?
  var loads = LoadHistory()
  var loadCount: UInt64 = 0
  var loadFailureCount: UInt64 = 0
  /// Modules in whose memory something has changed; never put in force again.
  var damaged: [StagedModule] = []
  /// What was said last of those of them that are no way out, so that it is said once.
  var alarms: [ObjectIdentifier: String] = [:]

  init(
    _ rules: BreakerRules = BreakerRules(), _ loadRules: LoadRules = LoadRules(),
    _ rulesOfModules: [String: BreakerRules] = [:]
  ) {
    self.rules = rules
    self.loadRules = loadRules
    self.rulesOfModules = rulesOfModules
  }

  /// What holds for a module's breaker.
  func rules(of module: String) -> BreakerRules { rulesOfModules[module] ?? rules }

  /// What has to go well before a patch that changes `modules` is trusted again: as much as the one of them needs
  /// that needs most.
  func probeRules(of modules: [String]) -> BreakerRules {
    modules.map(rules(of:)).max { $0.successes < $1.successes } ?? rules
  }

  /// Throws while no patch that changes one of `modules` may be taken: by an operator's order, or because loads
  /// fail.
  func requireUnfrozen(_ modules: [String]) throws(Refusal) {
    if let frozen {
      throw Refusal(
        .frozen, "the agent is frozen: \(frozen.reason)",
        hint: "'hitless agent release' lets patches in again")
    }
    if let stopped {
      throw Refusal(
        .frozen, "the agent takes no patch any more: \(stopped.reason)",
        hint: "find out why, then 'hitless agent release'")
    }
    for module in modules {
      guard let hold = held[module] else { continue }
      throw Refusal(
        .frozen, "module '\(module)' is frozen: \(hold.reason)",
        hint: "'hitless agent release --module \(module)' lets its patches in again")
    }
  }

  /// Whether an operator keeps out what changes one of `modules`.
  func isFrozen(_ modules: [String]) -> Bool {
    frozen != nil || modules.contains { held[$0] != nil }
  }

  func isDamaged(_ module: StagedModule) -> Bool { damaged.contains { $0 === module } }

  /// Where the breaker of a module stands while `patch` is the one in question; without one, closed.
  func breakerState(
    of module: String, patch: BreakerPatch?, at now: UInt64
  ) -> BreakerCondition {
    if isFrozen([module]) || stopped != nil { return .forcedOpen }
    if rules(of: module).isMetricsOnly { return .metricsOnly }
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
    of transaction: Transaction, _ ending: Transaction.Ending
  ) -> [BreakerTable.Key] {
    self.transaction?.state = .rolledBack
    self.transaction?.ending = ending
    self.transaction?.shadow?.isOver = true
    self.transaction?.confirmBy = nil
    return countRollback(of: transaction, ending.reason)
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
        if protection.breakers.fail(key, event, protection.rules(of: module)) {
          opened.append(key)
        }
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
      .crash, .closed, .bootLoop:
      nil
    }
  }
}
