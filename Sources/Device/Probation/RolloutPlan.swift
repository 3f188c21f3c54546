/// How a candidate gets from nothing to everything.
package struct RolloutPlan: Equatable, Sendable {
  /// All of it, in the unit of shares: what `HITLESS_SHARE_ALL` is.
  package static let all: UInt32 = 65_536
  /// Most steps of a plan.
  package static let stepLimit = 32
  /// Longest time of a step, and shortest.
  package static let dwellRange: ClosedRange<UInt64> = 1_000_000...86_400_000_000_000
  /// Longest time until the end.
  package static let confirmLimit: UInt64 = 30 * 86_400_000_000_000

  /// What is shared out.
  package enum Kind: Int32, CaseIterable, Sendable {
    /// Workers: the first registered ones have the candidate for all they do.
    case workers = 0
    /// Batches of every worker.
    case batches = 1
    /// Flows: what `hitless_partition` splits by.
    case flows = 2

    /// The kind on the command line and in the audit log.
    package var name: String {
      switch self {
      case .workers: "worker"
      case .batches: "batches"
      case .flows: "flows"
      }
    }
  }

  /// How much of it.
  package enum Amount: Equatable, Sendable {
    /// So many 65 536ths; 0 is nothing yet: stable alone is watched.
    case share(UInt32)
    /// So many workers.
    case workers(UInt32)

    /// Whether nothing is the candidate's.
    package var isNothing: Bool { self == .share(0) }
    /// Whether everything is.
    package var isEverything: Bool { self == .share(RolloutPlan.all) }
  }

  package var kind = Kind.batches
  /// Each is more than the one before; the last one is everything.
  package var steps: [Amount] = [.share(0), .share(RolloutPlan.all)]
  /// How long a step lasts at least, in nanoseconds.
  package var dwell: UInt64 = 30_000_000_000
  /// After so many nanoseconds it is rolled back.
  package var confirmWithin = RolloutPlan.defaultConfirmWithin
  /// Whether a healthy last step ends with the confirmation.
  package var confirmsByItself = false
  package var thresholds = HealthThresholds()

  /// How long a candidate waits for its confirmation where nobody has said: long enough for a look at its figures.
  package static let defaultConfirmWithin: UInt64 = 600_000_000_000

  /// The defaults: a step of nothing, then everything.
  package init() {}
}

extension RolloutPlan {
  /// The steps that `first` and the shares in `later` make: those at the beginning that are not more than `first`
  /// are left out, and if the first is everything, or may be because it is one of workers, of which there may be no
  /// others with anything to do, a step of nothing comes before it, so that stable has figures.
  package static func steps(_ kind: Kind, first: Amount?, later: [UInt32]) -> [Amount] {
    var steps = first.map { [$0] } ?? []
    let least: UInt32 = if case .share(let share) = first { share } else { 0 }
    steps += later.drop { $0 <= least }.map(Amount.share)
    if let first = steps.first, kind == .workers && !first.isNothing || first.isEverything {
      steps.insert(.share(0), at: 0)
    }
    return steps
  }

  /// What is wrong with the plan: a sentence, and what to do; nil when nothing is.
  package var flaw: (message: String, hint: String)? {
    if let field = thresholds.illegalField {
      return (
        "threshold '\(field.name)' is outside of its range",
        "it may be \(field.range.lowerBound) to \(field.range.upperBound)"
      )
    }
    guard steps.last?.isEverything ?? false else {
      return ("the last step of a rollout is not 100 %", "add it: '--steps 1%,10%,50%,100%'")
    }
    guard steps.count <= Self.stepLimit else {
      return ("a rollout has \(steps.count) steps", "it may have \(Self.stepLimit)")
    }
    guard isAscending else {
      return (
        "a step of the rollout is not more than the one before", "name them in ascending order"
      )
    }
    guard Self.dwellRange.contains(dwell) else {
      return ("the time of a step makes no sense", "it may be 1 ms to 24 h")
    }
    // Who confirms by hand may do so in the last step. One that does so by itself needs a look more than all its
    // steps: at the end of the time it is rolled back, however healthy.
    let least = UInt64(steps.count) * dwell + (confirmsByItself ? dwell / Self.looksPerStep : 0)
    guard confirmWithin <= Self.confirmLimit, confirmWithin >= least else {
      return (
        "the time to confirm does not go with \(steps.count) steps",
        "--confirm-within must be at least the number of steps times --dwell, with "
          + "--auto-confirm an eighth of --dwell more, and at most 30 days"
      )
    }
    return nil
  }

  private var isAscending: Bool {
    var last: UInt32?
    for (index, step) in steps.enumerated() {
      switch step {
      case .workers(let count):
        guard index == 0 || index == 1 && last == 0, count > 0, kind == .workers else {
          return false
        }
      case .share(let share):
        guard share <= Self.all, last.map({ share > $0 }) ?? true else { return false }
        guard share > 0 || index == 0 else { return false }
        last = share
      }
    }
    return true
  }
}

extension RolloutPlan.Amount: CustomStringConvertible {
  /// A few words.
  package var description: String {
    switch self {
    case .workers(let count): count == 1 ? "1 worker" : "\(count) workers"
    case .share(let share): "\(Self.percent(share)) %"
    }
  }

  /// A share in per cent, to a hundredth.
  private static func percent(_ share: UInt32) -> String {
    let all = UInt64(RolloutPlan.all)
    let hundredths = (UInt64(share) * 10_000 + all / 2) / all
    let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
    guard rest > 0 else { return "\(whole)" }
    return rest % 10 == 0 ? "\(whole).\(rest / 10)" : "\(whole).\(rest / 10)\(rest % 10)"
  }
}
