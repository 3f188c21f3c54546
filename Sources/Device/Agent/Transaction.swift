package import HotSwap
internal import Staging
internal import Verification

/// Where a transaction stands (the numbers are those of hitless/host.h).
package enum TransactionState: Int32, Sendable {
  /// Nothing was installed yet.
  case none = 0
  /// Verified, rebuilt, mapped and tested; no worker can see it.
  case staged = 1
  /// In force for every worker, not yet stable.
  case active = 2
  /// Stable, for this and the next start.
  case confirmed = 3
  /// Workers are back on stable; may be activated again until something else is installed.
  case rolledBack = 4

  /// The state as it is written in logs and on the command line.
  package var name: String {
    switch self {
    case .none: "none"
    case .staged: "staged"
    case .active: "active"
    case .confirmed: "confirmed"
    case .rolledBack: "rolled-back"
    }
  }
}

/// One patch on its way through the agent.
struct Transaction: Sendable {
  let number: UInt64
  let patch: VerifiedPatch
  /// One module per slot: the changed ones and those that stay.
  let modules: [StagedModule]
  let generation: Generation
  /// What it changes about the host's records.
  let changes: [Migration.Change]
  var state: TransactionState = .staged
  /// Where its last time in force begins: views of that time have this sequence or a higher one, views of the times before
  /// a lower one.
  var since: UInt64 = 0
  /// Why its candidate went out of force the last time; nil until it has, and while it is in force again.
  var ending: Ending?
  /// When it is rolled back unless it was confirmed, in nanoseconds of CLOCK_MONOTONIC.
  var confirmBy: UInt64?
  /// Its time on copies of batches, when it was activated so.
  var shadow: Shadow?
  /// How it gets from nothing to everything, when it was activated so.
  var rollout: Rollout?
  /// Whether an order has put its workers on stable, by the word by which they tell each other of faults.
  var isTakenOut = false
  /// Faults since it was activated.
  var faults = 0
  /// Nanoseconds that staging took.
  var stageNanoseconds: UInt64 = 0
}

extension Transaction {
  /// Whether stable gets nothing while the candidate is in force: it is not in shadow, at the last step of a rollout, and
  /// not tried again with a few batches.
  var hasEverything: Bool {
    (shadow?.isOver ?? true) && (rollout?.isLastStep ?? true) && !generation.breaker.isHalfOpen
  }
}

extension Transaction {
  /// How a time in force ended, for whoever asks afterwards: a word to count by, and a sentence.
  struct Ending: Sendable {
    let reason: RollbackReason
    let detail: String
  }
}

/// What one swap did.
package struct SwapReport: Equatable, Sendable {
  /// First publishing store to the last, in nanoseconds.
  package let publishNanoseconds: UInt64
  /// First publishing store to the end of the grace period; nil when a worker was overdue.
  package let graceNanoseconds: UInt64?
  /// The workers that had not passed at the deadline; what they may use stays mapped.
  package let overdue: [WorkerReport]
  /// Whether it had been done before, and nothing was done now.
  package var isRepeated = false

  /// What is reported where no view was published.
  static let nothing = SwapReport(publishNanoseconds: 0, graceNanoseconds: 0, overdue: [])

  /// The answer to an order that was carried out before.
  static let repeated = SwapReport(
    publishNanoseconds: 0, graceNanoseconds: 0, overdue: [], isRepeated: true)
}
