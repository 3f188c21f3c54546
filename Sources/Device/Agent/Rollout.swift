internal import HotSwap
internal import Platform
internal import Probation

extension AgentOptions {
  /// When what is activated now has to be confirmed; nil: some time.
  var confirmBy: UInt64? { confirmTimeout > 0 ? Deadline.after(confirmTimeout).time : nil }
}

/// One signal that the host has defined.
struct HealthSignal: Equatable, Sendable {
  let name: String
  let kind: SignalKind
}

/// What all workers had counted at one moment.
struct HealthReading: Sendable {
  let totals: HealthTotals
  /// CLOCK_MONOTONIC, and the cycle counter at the same moment.
  let time: UInt64
  let ticks: UInt64

  init(_ domain: SwapDomain, signals: [HealthSignal], slots: Int) {
    let gauges = signals.indices.filter { signals[$0].kind == .gauge }
    let timed = 0..<min(slots, HealthTotals.timedSlots)
    totals = domain.healthTotals(
      histograms: [HealthTotals.batchHistogram] + timed.map(HealthTotals.histogram(ofSlot:))
        + gauges.map { HealthTotals.histogram(ofSignal: $0 + 1) })
    time = MonotonicClock.now
    ticks = SwapDomain.ticks
  }
}

/// A rollout on its way; `Probation` decides what becomes of it.
struct Rollout: Sendable {
  let plan: RolloutPlan
  var progress = RolloutProgress()
  /// When somebody looks at it again, in nanoseconds of CLOCK_MONOTONIC.
  var nextLook: UInt64
  /// What had been counted when it began, and when its step did.
  let atBegin: HealthReading
  var atStep: HealthReading
  /// What the last look has found, and what followed.
  var last: Judgement.Decision?
  /// What was written down last.
  var record: RolloutRecord?

  init(_ plan: RolloutPlan, _ reading: HealthReading) {
    self.plan = plan
    atBegin = reading
    atStep = reading
    nextLook = reading.time &+ plan.nextLook(RolloutProgress(), after: 0)
  }

  /// When it is over, in nanoseconds of CLOCK_MONOTONIC.
  var confirmBy: UInt64 { atBegin.time &+ plan.confirmWithin }
  /// What the step is.
  var amount: RolloutPlan.Amount { plan.steps[progress.step] }
  /// Whether everything is the candidate's.
  var isLastStep: Bool { progress.step == plan.steps.count - 1 }
  /// Nanoseconds from its beginning to `time`.
  func age(at time: UInt64) -> UInt64 { time > atBegin.time ? time - atBegin.time : 0 }

  /// The step in words.
  var stepText: String {
    let unit =
      switch amount {
      case .workers: ""
      case .share: plan.kind == .workers ? " of workers" : " of \(plan.kind.name)"
      }
    return "step \(progress.step + 1) of \(plan.steps.count), \(amount)\(unit)"
  }
}

extension Rollout {
  /// What is to be decided now that `reading` was taken.
  func judgement(_ reading: HealthReading, signals: [HealthSignal], slots: [String]) -> Judgement {
    var figures = HealthInput()
    figures.ticks = reading.ticks &- atBegin.ticks
    figures.tickNanoseconds = reading.time &- atBegin.time
    let step = reading.totals.since(atStep.totals)
    let naming = FigureNames(signals: signals, slots: slots, kind: plan.kind)
    figures.candidate = naming.figures(of: step, .candidate)
    figures.stable = naming.figures(of: step, .stable)
    // Both under the same load, if stable still has enough to do; else as it was earlier in this rollout.
    if !suffices(figures) {
      figures.stable = naming.figures(of: reading.totals.since(atBegin.totals), .stable)
    }
    return Judgement(plan, progress, now: age(at: reading.time), figures)
      .fitted(to: Self.recordLimit)
  }

  /// Most bytes of a record in the audit log, whose lines are limited.
  private static let recordLimit = 48_000

  private func suffices(_ figures: HealthInput) -> Bool {
    var observed = figures
    observed.thresholds = plan.thresholds
    observed.isObservation = true
    observed.candidate = HealthFigures()
    return observed.verdict() == .healthy
  }
}

/// Gives the numbers of a domain the names that they have for people.
private struct FigureNames {
  let signals: [HealthSignal]
  let slots: [String]
  let kind: RolloutPlan.Kind

  func figures(of totals: HealthTotals, _ side: HealthTotals.Side) -> HealthFigures {
    let counts = totals.counts[side.rawValue]
    var figures = HealthFigures()
    if !signals.isEmpty || totals.counts.contains(where: { $0[0] > 0 }) {
      figures.packets = counts[0]
    }
    for (index, signal) in signals.enumerated() where signal.kind != .gauge {
      figures.counts.append(SignalCount(signal.name, signal.kind, counts[index + 1]))
    }
    // Of a batch that is split by flow, all of it is nobody's.
    if kind != .flows {
      figures.samples.append(
        SampledValues(
          "batch", .batch, histogram(totals, side, HealthTotals.batchHistogram)))
    }
    for (index, slot) in slots.prefix(HealthTotals.timedSlots).enumerated() {
      add(totals, side, HealthTotals.histogram(ofSlot: index), slot, .slot, to: &figures)
    }
    for (index, signal) in signals.enumerated() where signal.kind == .gauge {
      let number = HealthTotals.histogram(ofSignal: index + 1)
      add(totals, side, number, signal.name, .gauge, to: &figures)
    }
    return figures
  }

  /// Adds a series that a host need not have, if it has one on either side.
  private func add(
    _ totals: HealthTotals, _ side: HealthTotals.Side, _ number: Int, _ name: String,
    _ unit: SampledValues.Unit, to figures: inout HealthFigures
  ) {
    let isThere = totals.cells.contains { $0[number]?.contains { $0 > 0 } ?? false }
    guard isThere else { return }
    figures.samples.append(SampledValues(name, unit, histogram(totals, side, number)))
  }

  private func histogram(
    _ totals: HealthTotals, _ side: HealthTotals.Side, _ number: Int
  ) -> LogHistogram {
    var histogram = LogHistogram()
    for (bucket, count) in (totals.cells[side.rawValue][number] ?? []).enumerated() where count > 0
    {
      histogram.add(UInt64(count), toBucket: bucket)
    }
    return histogram
  }
}
