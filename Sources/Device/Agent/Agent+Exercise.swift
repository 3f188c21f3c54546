internal import AgentControl
internal import Bytes
internal import HotSwap
internal import Journal
internal import Platform
package import Refusal

/// What many swaps in a row took.
package struct ExerciseReport: Sendable {
  /// Swaps that were made: activations and rollbacks.
  package let swaps: UInt64
  /// First publishing store to the last, in nanoseconds, one per swap, ascending.
  package let publish: [UInt64]
  /// First publishing store to the end of the grace period, in nanoseconds, ascending.
  package let grace: [UInt64]
  /// Swaps whose grace period did not end in time.
  package let overdue: UInt64

  /// The value below which `share` of `sorted` lie.
  package static func quantile(_ share: Double, of sorted: [UInt64]) -> UInt64 {
    guard !sorted.isEmpty else { return 0 }
    return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
  }
}

extension Agent {
  /// What an exercise is called.
  static let exerciseOperation = "exercise"

  /// Most swaps of one exercise.
  package static let exerciseLimit: UInt64 = 10_000_000

  /// Alternates between stable and the candidate `count` times, under whatever load there is.
  ///
  /// The candidate must be staged, active or rolled back; afterwards it stands where it stood. Each
  /// swap waits for its grace period, and the next one for `intervalNanoseconds`. One audit line before
  /// and one after, not one per swap. Where a view that would bring it there cannot be made, the transaction is
  /// rolled back, as soon as one can. It ends before its time when something has to be taken out of force, when
  /// patches are frozen, and when the time to confirm is over: for a candidate that is not active, `confirmTimeout`
  /// from the beginning.
  package func exercise(
    _ number: UInt64, count: UInt64, intervalNanoseconds: UInt64
  ) throws(Refusal) -> ExerciseReport {
    guard (1...Self.exerciseLimit).contains(count) else {
      throw Refusal(.limit, "an exercise has 1 to \(Self.exerciseLimit) swaps", found: "\(count)")
    }
    var stranded: Generation?
    do throws(Refusal) {
      return try exclusively(Self.exerciseOperation, number) { () throws(Refusal) in
        let (running, transaction) = try exercisable(number)
        prepareBreaker(of: transaction, isProbe: false)
        // Who freezes from here on opens the breaker; who did before is heard now.
        try requireUnfrozen(transaction.changedModules)
        try record("exercising", number, "\(count) swaps")
        try journal.beginTrial(transaction.trial)
        defer { if !isActive { endTrial(journal.trialCount) } }
        try beginGuarding(in: running.domain)
        defer { if !isActive { endGuarding(in: running.domain) } }
        let next = running.domain.nextSequence
        state.withLock { state in
          state.transaction?.faults = 0
          // The time in force of one that is active goes on.
          if transaction.state != .active { state.transaction?.since = next }
        }
        var measured = Measured()
        do throws(Refusal) {
          try alternate(transaction, running, count, intervalNanoseconds, &measured)
        } catch {
          if strand(after: measured.swaps) { stranded = transaction.generation }
          throw error
        }
        let report = measured.report
        note("exercised", number, "\(report.swaps) swaps, \(report.overdue) grace periods overdue")
        return report
      }
    } catch {
      // Nobody else would: the candidate was neither activated nor rolled back.
      if let stranded {
        withdraw(
          stranded.number, because: .inconclusive,
          detail: "an exercise has come to no end: \(error)")
      }
      throw error
    }
  }

  /// The transaction in question, if its candidate may go to and fro.
  private func exercisable(_ number: UInt64) throws(Refusal) -> (Running, Transaction) {
    let (running, transaction) = try current(number, in: [.staged, .active, .rolledBack])
    guard transaction.state != .active || transaction.rollout == nil else {
      throw Refusal(
        .state, "transaction \(number) is being rolled out step by step",
        hint: "exercise it before it is activated, or after a rollback")
    }
    if transaction.state == .active { try requireNoShadow(transaction) }
    guard transaction.changes.isEmpty else {
      throw Refusal(
        .unsupported, "a patch that migrates records cannot be exercised",
        hint: "activate it, and roll it back")
    }
    guard sideTables(of: transaction, running).isEmpty else {
      throw Refusal(
        .unsupported, "a patch that keeps records of its own cannot be exercised",
        hint: "each turn of stable's would be missing from them; activate it, and roll it back")
    }
    try requireNoMigration()
    guard try !admit(transaction) else {
      throw Refusal(
        .breakerOpen, "the candidate has failed before",
        hint: "activate it first: when its breaker has closed it may be exercised")
    }
    return (running, transaction)
  }
}

extension Agent {
  /// Makes the swaps of an exercise, until it is over.
  ///
  /// Their number is made even, so that the candidate ends where it began.
  private func alternate(
    _ transaction: Transaction, _ running: Running, _ count: UInt64, _ interval: UInt64,
    _ measured: inout Measured
  ) throws(Refusal) {
    let end = (transaction.state == .active ? transaction.confirmBy : options.confirmBy)
      .map { Deadline.at($0) }
    for index in 0..<(count + count % 2) {
      let toCandidate = (index % 2 == 0) == (transaction.state != .active)
      let publication = try turn(to: toCandidate ? transaction : nil, running)
      measured.add(
        publication, running.domain.waitForGrace(publication, timeout: options.graceTimeout))
      if isExerciseOver(index, end) { return }
      if interval > 0 {
        let pause = min(interval, end?.remaining ?? .max)
        _ = state.wait(until: .after(pause)) { $0.endsExercise ? true : nil }
      }
    }
  }

  /// Whether the newest transaction's candidate counts as in force.
  private var isActive: Bool { state.withLock { $0.transaction?.state == .active } }

  /// Takes note that an exercise ends after so many swaps; returns whether its candidate is not where it stood.
  ///
  /// It then counts as active until it is rolled back.
  private func strand(after swaps: Int) -> Bool {
    guard swaps % 2 == 1 else { return false }
    state.withLock { state in
      state.transaction?.state = .active
      state.transaction?.ending = nil
    }
    return true
  }

  /// Puts a candidate in force, or stable as it was before, as an activation and a rollback do.
  private func turn(
    to candidate: Transaction?, _ running: Running
  ) throws(Refusal) -> Publication {
    guard let candidate else {
      return try publish(stable: running.stable, above: running.fallback, in: running.domain)
    }
    announce(candidate.generation, in: running.domain)
    return try running.domain.publish(
      stable: running.stable, candidate: candidate.generation, deadline: candidate.confirmBy ?? 0)
  }

  /// Whether an exercise ends early: its time is over, or one of the reasons of `endsExercise`.
  ///
  /// Only after a pair of swaps, so that the candidate stands where it stood.
  private func isExerciseOver(_ index: UInt64, _ end: Deadline?) -> Bool {
    guard index % 2 == 1 else { return false }
    return end?.hasPassed ?? false || state.withLock { $0.endsExercise }
  }
}

extension Agent.State {
  /// Whether an exercise has to end, and nobody waits for the next swap: the candidate in force goes out at once.
  ///
  /// The agent closes, the candidate has failed or is frozen, or something else has to be taken out of force: code that
  /// was confirmed has faulted, or memory has changed.
  fileprivate var endsExercise: Bool {
    isClosed || withdrawals > 0 || transaction?.faults ?? 0 > 0
      || transaction?.generation.breaker.isOpen ?? false
      || protection.isFrozen(transaction?.changedModules ?? [])
  }

  /// Whether the candidate may be in force at this moment.
  var mayServeCandidate: Bool {
    transaction?.state == .active || operation == Agent.exerciseOperation
  }
}

private struct Measured {
  private var publish: [UInt64] = []
  private var grace: [UInt64] = []
  private var overdue: UInt64 = 0

  var swaps: Int { publish.count }

  mutating func add(_ publication: Publication, _ outcome: GraceOutcome) {
    publish.append(publication.publishNanoseconds)
    switch outcome {
    case .passed(let period): grace.append(period.nanoseconds)
    case .overdue: overdue += 1
    }
  }

  var report: ExerciseReport {
    ExerciseReport(
      swaps: UInt64(publish.count), publish: publish.sorted(), grace: grace.sorted(),
      overdue: overdue)
  }
}

extension ExerciseReport {
  /// The report as the control socket carries it.
  var values: [String: CBOR] {
    func quantiles(_ sorted: [UInt64]) -> CBOR {
      .named([
        "min": .unsigned(sorted.first ?? 0), "p50": .unsigned(Self.quantile(0.5, of: sorted)),
        "p99": .unsigned(Self.quantile(0.99, of: sorted)),
        "p999": .unsigned(Self.quantile(0.999, of: sorted)), "max": .unsigned(sorted.last ?? 0),
      ])
    }
    return [
      "swaps": .unsigned(swaps), "overdue": .unsigned(overdue), "publish_ns": quantiles(publish),
      "grace_ns": quantiles(grace),
    ]
  }
}
