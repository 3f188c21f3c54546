/// Where a rollout stands; times are nanoseconds since it began.
package struct RolloutProgress: Equatable, Sendable {
  /// Index of the step.
  package var step = 0
  /// When the step began.
  package var stepBegin: UInt64 = 0

  /// The beginning.
  package init() {}
}

/// What is to be done next.
package enum RolloutAction: Equatable, Sendable {
  /// Nothing before this time.
  case wait(until: UInt64)
  /// Put the step of this index in force.
  case advance(to: Int)
  /// Make the candidate stable.
  case confirm
  /// Return to stable.
  case rollBack(RolloutEnd)

  /// The action in a few words, for the audit log; a replay must come to the same.
  package var name: String {
    switch self {
    case .wait(let time): "wait until \(time)"
    case .advance(let step): "step \(step)"
    case .confirm: "confirm"
    case .rollBack(let end): "roll back: \(end.rawValue)"
    }
  }
}

/// Why a rollout is rolled back by itself; the names are those of reasons in metrics.
package enum RolloutEnd: String, Sendable {
  /// The candidate is worse than stable.
  case health
  /// The time is over, and not enough was seen.
  case inconclusive
  /// The time is over, and nobody has confirmed.
  case notConfirmed = "not_confirmed"
}

extension RolloutPlan {
  /// How many looks a step has, at evenly spaced times; the last one is at its end.
  package static let looksPerStep: UInt64 = 8

  /// What follows from `verdict` at `now`, in nanoseconds since the rollout began.
  ///
  /// A pure function. What is wrong ends the rollout at any look; that nothing is wrong counts at the end
  /// of a step only; not knowing ends nothing before the time is over, and then it ends as a failure does.
  package func action(
    _ progress: RolloutProgress, at now: UInt64, _ verdict: HealthVerdict
  ) -> RolloutAction {
    if case .unhealthy = verdict { return .rollBack(.health) }
    guard now < confirmWithin else {
      if case .inconclusive = verdict { return .rollBack(.inconclusive) }
      return .rollBack(.notConfirmed)
    }
    let stepEnd = progress.stepBegin.addingSaturating(dwell)
    guard now >= stepEnd, case .healthy = verdict else {
      return .wait(until: nextLook(progress, after: now))
    }
    guard progress.step >= steps.count - 1 else { return .advance(to: progress.step + 1) }
    return confirmsByItself ? .confirm : .wait(until: nextLook(progress, after: now))
  }

  /// When to look again.
  ///
  /// Less and less often after the end of a step, down to once in ten seconds.
  package func nextLook(_ progress: RolloutProgress, after now: UInt64) -> UInt64 {
    let pause = max(1, dwell / Self.looksPerStep)
    let stepEnd = progress.stepBegin.addingSaturating(dwell)
    guard now >= stepEnd else {
      // Not just before the end of the step, nor after the end of it all.
      return min(now.addingSaturating(pause), stepEnd, max(confirmWithin, now))
    }
    let longer = min((now - stepEnd) / Self.looksPerStep, Self.longestPause)
    return min(now.addingSaturating(max(pause, longer)), max(confirmWithin, now))
  }

  private static let longestPause: UInt64 = 10_000_000_000

  /// Whether what a look at `now` has found is written down, `last` being what was written down before.
  ///
  /// All that is found while a step lasts, that something follows from, and that is not what was found before. A
  /// rollout may wait for days for somebody to confirm it: lines that only repeat the last one become rarer, five
  /// minutes behind it at first and at the end an eighth of the time since the end of the step. So their number grows
  /// with the logarithm of that time, and what else the log has is not pushed out of it.
  package func isRecorded(
    _ action: RolloutAction, _ verdict: HealthVerdict, _ progress: RolloutProgress, at now: UInt64,
    after last: RolloutRecord?
  ) -> Bool {
    guard case .wait = action, let last, last.verdict == verdict.name else { return true }
    let stepEnd = progress.stepBegin.addingSaturating(dwell)
    guard now > stepEnd, last.time >= stepEnd else { return true }
    let pause = max(Self.repetition, (now - stepEnd) / Self.looksPerStep)
    return now >= last.time.addingSaturating(pause)
  }

  private static let repetition: UInt64 = 300_000_000_000
}

/// A look at a rollout that was written down: when, in nanoseconds since the rollout began, and the word for what it
/// had found.
package struct RolloutRecord: Equatable, Sendable {
  let time: UInt64
  let verdict: String

  package init(at time: UInt64, _ verdict: HealthVerdict) {
    self.time = time
    self.verdict = verdict.name
  }
}
