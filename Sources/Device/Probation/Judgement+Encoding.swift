package import Bytes

extension Judgement {
  /// The record of a decision as the audit log has it; docs/operations.md explains the fields.
  package func json(_ decision: Decision) -> JSON {
    .object([
      ("kind", .string(plan.kind.name)), ("steps", .array(plan.steps.map(\.json))),
      ("dwell_ns", .unsigned(plan.dwell)), ("confirm_within_ns", .unsigned(plan.confirmWithin)),
      ("auto_confirm", .unsigned(plan.confirmsByItself ? 1 : 0)),
      ("thresholds", plan.thresholds.json),
      ("step", .integer(Int64(progress.step))), ("step_begin_ns", .unsigned(progress.stepBegin)),
      ("now_ns", .unsigned(now)),
      ("ticks", .array([.unsigned(input.ticks), .unsigned(input.tickNanoseconds)])),
      ("stable", input.stable.json), ("candidate", input.candidate.json),
      ("verdict", .string(decision.verdict.name)), ("why", .string(decision.verdict.detail)),
      ("action", .string(decision.action.name)),
    ])
  }
}

extension RolloutPlan.Amount {
  /// A share as a number, workers as an array of one.
  fileprivate var json: JSON {
    switch self {
    case .share(let share): .unsigned(UInt64(share))
    case .workers(let count): .array([.unsigned(UInt64(count))])
    }
  }
}

extension HealthThresholds {
  fileprivate var json: JSON {
    .object(Self.fields.map { ($0.name, .unsigned(self[keyPath: $0.path])) })
  }
}

extension HealthFigures {
  fileprivate var json: JSON {
    .object([
      ("packets", packets.map { .unsigned($0) } ?? .null),
      ("counts", .array(counts.map(\.json))), ("samples", .array(samples.map(\.json))),
    ])
  }
}

extension SignalCount {
  fileprivate var json: JSON { .array([.string(name), .string(kind.name), .unsigned(count)]) }
}

extension SampledValues {
  /// Name and unit, then bucket after bucket: how far from the one before, and how many.
  fileprivate var json: JSON {
    var items: [JSON] = [.string(name), .string(unit.rawValue)]
    var previous = 0
    for (bucket, count) in values.counts.sorted(by: { $0.key < $1.key }) {
      items += [.integer(Int64(bucket - previous)), .unsigned(count)]
      previous = bucket
    }
    return .array(items)
  }
}
