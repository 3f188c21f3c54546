/// Why workers went back to stable: the word by which it is counted and written down.
package enum RollbackReason: String, CaseIterable, Sendable {
  /// An operator or the host has asked for it.
  case asked
  /// Nobody has confirmed in time.
  case notConfirmed = "not_confirmed"
  /// The candidate has faulted.
  case fault
  /// A batch was over its time budget.
  case overBudget = "over_budget"
  /// The candidate did worse than stable.
  case health
  /// Nothing could be said about its health in time, stable has faulted on a copy that both were to run, what it was
  /// to replace was itself given up, or an exercise could not put it back where it stood.
  case inconclusive
  /// What is mapped is not any more what was verified.
  case goldenHashMismatch = "golden_hash_mismatch"
  /// An operator has frozen the agent.
  case frozen
  /// Its results on copies of live batches were not stable's.
  case divergence
  /// A record could not be migrated.
  case migration
  /// The host ended without closing while the candidate was on trial.
  case crash
  /// The host was closed while the candidate was on trial.
  case closed
  /// The host has ended early after the confirmation, again and again.
  case bootLoop = "boot_loop"
}
