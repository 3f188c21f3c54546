internal import Bytes

/// One decision about a rollout, with everything that it depends on.
package struct Judgement: Equatable, Sendable {
  package let plan: RolloutPlan
  package let progress: RolloutProgress
  /// Nanoseconds since the rollout began.
  package let now: UInt64
  package let input: HealthInput

  /// Creates what is to be decided; the input is told how far the step has got, and what it is for.
  package init(
    _ plan: RolloutPlan, _ progress: RolloutProgress, now: UInt64, _ figures: HealthInput
  ) {
    self.plan = plan
    self.progress = progress
    self.now = now
    var input = figures
    input.thresholds = plan.thresholds
    input.dwell = plan.dwell
    input.elapsed = now > progress.stepBegin ? now - progress.stepBegin : 0
    let step = plan.steps.indices.contains(progress.step) ? plan.steps[progress.step] : .share(0)
    input.isObservation = step.isNothing
    if case .share(let share) = step {
      input.isCold = plan.kind != .workers && share < RolloutPlan.all / 4
    }
    self.input = input
  }

  /// What is decided; the same for the same judgement, whenever and wherever it is asked.
  package func decide() -> Decision {
    let verdict = input.verdict()
    return Decision(verdict: verdict, action: plan.action(progress, at: now, verdict))
  }

  /// A verdict and what follows from it.
  package struct Decision: Equatable, Sendable {
    package let verdict: HealthVerdict
    package let action: RolloutAction
  }

  /// The same with samples in buckets so wide that the record has at most `limit` bytes.
  ///
  /// Decide *after* this: what is written down must be what was decided by.
  package func fitted(to limit: Int) -> Judgement {
    var fitted = self
    for levels in 1...6 {
      guard fitted.json(fitted.decide()).text.utf8.count > limit else { return fitted }
      fitted = coarsened(by: levels)
    }
    return fitted
  }

  private func coarsened(by levels: Int) -> Judgement {
    func coarse(_ figures: HealthFigures) -> HealthFigures {
      var figures = figures
      figures.samples = figures.samples.map {
        SampledValues($0.name, $0.unit, $0.values.coarsened(by: levels))
      }
      return figures
    }
    var input = input
    input.stable = coarse(input.stable)
    input.candidate = coarse(input.candidate)
    return Judgement(plan, progress, now: now, input)
  }
}
