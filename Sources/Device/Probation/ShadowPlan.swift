/// How a candidate is run beside stable, on copies of live batches, before any worker has it.
package struct ShadowPlan: Equatable, Sendable {
  /// How long the time may be that is asked for.
  package static let durationRange: ClosedRange<UInt64> = 1_000_000...86_400_000_000_000
  /// How long so many batches may take to come.
  package static let patience: UInt64 = 600_000_000_000
  /// Batches without which nothing is said, when no number is asked for.
  package static let fewestBatches: UInt64 = 100
  /// How long it lasts when neither time nor batches are asked for.
  package static let defaultDuration: UInt64 = 30_000_000_000

  /// Batches of 65 536 of every worker that are copied.
  package var share: UInt32 = RolloutPlan.all / 20
  /// How long it lasts at least, in nanoseconds.
  package var duration = defaultDuration
  /// How many batches are compared at least.
  package var batches = fewestBatches
  /// When it has failed unless that many were compared, in nanoseconds.
  package var limit = defaultDuration
  /// How many divergences are let pass.
  package var allowedDivergences: UInt64 = 0

  /// For `duration` nanoseconds, until `batches` batches were compared, or, with both, not before both; 0 is
  /// not to ask for it.
  package init(share: UInt32, duration: UInt64 = 0, batches: UInt64 = 0, allowed: UInt64 = 0) {
    self.share = share
    allowedDivergences = allowed
    self.duration = duration > 0 || batches > 0 ? duration : Self.defaultDuration
    self.batches = batches > 0 ? batches : Self.fewestBatches
    limit = batches > 0 ? max(self.duration, Self.patience) : self.duration
  }

  /// What is wrong with the plan: a sentence, and what to do; nil when nothing is.
  package var flaw: (message: String, hint: String)? {
    guard (1...RolloutPlan.all).contains(share) else {
      return ("the share of batches that are copied makes no sense", "it may be 0.01% to 100%")
    }
    guard duration == 0 || Self.durationRange.contains(duration) else {
      return ("the time of a shadow makes no sense", "it may be 1 ms to 24 h")
    }
    guard batches > 0, limit > 0, limit >= duration else {
      return ("a shadow that compares nothing finds nothing", "name a time or a number of batches")
    }
    return nil
  }
}

/// What was found so far by running copies on both sides.
package struct ShadowFigures: Equatable, Sendable {
  /// Batches of which both runs were compared.
  package var compared: UInt64 = 0
  /// Batches that were drawn and not compared, for whatever reason.
  package var skipped: UInt64 = 0
  /// Outputs of packets that were not the same.
  package var divergences: UInt64 = 0
  /// Copies on which stable itself has faulted; none is run after the first.
  package var stableFaults: UInt64 = 0
  /// The divergences by module and what the host calls the output, most first.
  package var kinds: [ShadowKind] = []

  /// Figures of nothing.
  package init() {}
}

/// How often one kind of output of one module has differed.
package struct ShadowKind: Equatable, Sendable {
  package let module: String
  package let name: String
  package var count: UInt64

  /// So many.
  package init(module: String, name: String, count: UInt64) {
    self.module = module
    self.name = name
    self.count = count
  }
}
