package import Bytes

/// What a look at a shadow says.
package enum ShadowVerdict: Equatable, Sendable {
  /// Enough was compared, and no more than is let pass was different.
  case equal
  /// More than that was.
  case divergent(String)
  /// Not enough was compared to say so; never a success.
  case inconclusive(String)

  /// One word, for the audit log and the command line.
  package var name: String {
    switch self {
    case .equal: "equal"
    case .divergent: "divergent"
    case .inconclusive: "inconclusive"
    }
  }

  /// Why; empty when equal.
  package var detail: String {
    switch self {
    case .equal: ""
    case .divergent(let reason), .inconclusive(let reason): reason
    }
  }
}

/// What is to be done next about a shadow.
package enum ShadowAction: Equatable, Sendable {
  /// Nothing before this time, in nanoseconds since it began.
  case wait(until: UInt64)
  /// Give the candidate traffic.
  case advance
  /// Its results are not stable's.
  case rollBackDivergent
  /// Too little was seen in time, or stable has faulted on a copy.
  case rollBackInconclusive

  /// The action in a few words; a replay must come to the same.
  package var name: String {
    switch self {
    case .wait(let time): "wait until \(time)"
    case .advance: "advance"
    case .rollBackDivergent: "roll back: divergence"
    case .rollBackInconclusive: "roll back: inconclusive"
    }
  }
}

/// One decision about a shadow, with everything that it depends on.
package struct ShadowJudgement: Equatable, Sendable {
  package let plan: ShadowPlan
  /// Nanoseconds since the shadow began.
  package let now: UInt64
  package let figures: ShadowFigures

  /// Creates what is to be decided.
  package init(_ plan: ShadowPlan, now: UInt64, _ figures: ShadowFigures) {
    self.plan = plan
    self.now = now
    self.figures = figures
  }

  /// A verdict and what follows from it.
  package struct Decision: Equatable, Sendable {
    package let verdict: ShadowVerdict
    package let action: ShadowAction
  }

  /// What is decided; the same for the same judgement, whenever and wherever it is asked.
  ///
  /// Too many divergences end it at any look; that there were none counts when the time is over and enough was
  /// compared; not enough ends it as a failure does when its limit has come. A stable that faults on copies is no
  /// measure of anything, whatever was found before.
  package func decide() -> Decision {
    guard figures.stableFaults == 0 else {
      return Decision(
        verdict: .inconclusive(
          "stable has faulted on a copy, which shows nothing about the candidate"),
        action: .rollBackInconclusive)
    }
    let verdict = verdict
    switch verdict {
    case .divergent: return Decision(verdict: verdict, action: .rollBackDivergent)
    case .equal where now >= plan.duration: return Decision(verdict: verdict, action: .advance)
    case .inconclusive where now >= plan.limit:
      return Decision(verdict: verdict, action: .rollBackInconclusive)
    case .equal, .inconclusive:
      return Decision(verdict: verdict, action: .wait(until: plan.nextLook(after: now)))
    }
  }

  private var verdict: ShadowVerdict {
    guard figures.divergences <= plan.allowedDivergences else {
      let most = figures.kinds.first.map {
        ", most of all \($0.name) of \($0.module): \($0.count)"
      }
      return .divergent(
        "\(figures.divergences) divergences in \(figures.compared) batches, "
          + "\(plan.allowedDivergences) are let pass\(most ?? "")")
    }
    guard figures.compared >= plan.batches else {
      return .inconclusive(
        "\(figures.compared) batches compared, at least \(plan.batches) needed"
          + " (\(figures.skipped) skipped)")
    }
    return .equal
  }
}

extension ShadowPlan {
  /// When to look again.
  ///
  /// Each look is a line of the log; divergences are looked at when they are found.
  package func nextLook(after now: UInt64) -> UInt64 {
    let end = now < duration ? duration : max(limit, now)
    return min(now.addingSaturating(max(Self.pause, now / 2)), end)
  }

  private static let pause: UInt64 = 1_000_000_000
}

extension ShadowJudgement {
  /// The record of a decision as the audit log has it; docs/operations.md explains the fields.
  package func json(_ decision: Decision) -> JSON {
    .object([
      ("share", .unsigned(UInt64(plan.share))), ("duration_ns", .unsigned(plan.duration)),
      ("batches", .unsigned(plan.batches)), ("limit_ns", .unsigned(plan.limit)),
      ("allowed", .unsigned(plan.allowedDivergences)), ("now_ns", .unsigned(now)),
      ("compared", .unsigned(figures.compared)), ("skipped", .unsigned(figures.skipped)),
      ("divergences", .unsigned(figures.divergences)),
      ("stable_faults", .unsigned(figures.stableFaults)),
      (
        "kinds",
        .array(
          figures.kinds.map { .array([.string($0.module), .string($0.name), .unsigned($0.count)]) })
      ),
      ("verdict", .string(decision.verdict.name)), ("why", .string(decision.verdict.detail)),
      ("action", .string(decision.action.name)),
    ])
  }
}

/// A decision about a shadow as it was written down, and what it was made from.
package struct RecordedShadow: Equatable, Sendable {
  package let judgement: ShadowJudgement
  /// What was written down as decided.
  package let verdict: String
  package let why: String
  package let action: String

  /// Reads what `ShadowJudgement.json` wrote.
  package init(_ record: JSON) throws(JudgementFault) {
    let fields = RecordFields(record)
    guard let share = UInt32(exactly: try fields.number("share")) else {
      throw JudgementFault(field: "share")
    }
    var plan = ShadowPlan(share: share)
    plan.duration = try fields.number("duration_ns")
    plan.batches = try fields.number("batches")
    plan.limit = try fields.number("limit_ns")
    plan.allowedDivergences = try fields.number("allowed")
    var figures = ShadowFigures()
    figures.compared = try fields.number("compared")
    figures.skipped = try fields.number("skipped")
    figures.divergences = try fields.number("divergences")
    // There was no such field while a stable that faulted on a copy took the host with it.
    figures.stableFaults = try fields.number("stable_faults", missing: 0)
    figures.kinds = try fields.list("kinds").map { (item) throws(JudgementFault) in
      guard case .array(let parts) = item, parts.count == 3, case .string(let module) = parts[0],
        case .string(let name) = parts[1], let count = parts[2].recordedNumber
      else { throw JudgementFault(field: "kinds") }
      return ShadowKind(module: module, name: name, count: count)
    }
    judgement = ShadowJudgement(plan, now: try fields.number("now_ns"), figures)
    verdict = try fields.text("verdict")
    why = try fields.text("why")
    action = try fields.text("action")
  }

  /// Whether deciding again comes to what was written down.
  package var isSame: Bool {
    let decision = judgement.decide()
    return decision.verdict.name == verdict && decision.verdict.detail == why
      && decision.action.name == action
  }
}
