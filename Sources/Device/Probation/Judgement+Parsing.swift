package import Bytes

/// A record of the audit log that is no judgement: which part of it is missing or wrong.
package struct JudgementFault: Error, Equatable, Sendable {
  package let field: String

  /// Names the field.
  package init(field: String) { self.field = field }
}

/// A decision as it was written down, and what it was made from.
package struct RecordedJudgement: Equatable, Sendable {
  package let judgement: Judgement
  /// What was written down as decided.
  package let verdict: String
  package let why: String
  package let action: String

  /// Reads what `Judgement.json` wrote.
  package init(_ record: JSON) throws(JudgementFault) {
    let fields = RecordFields(record)
    var plan = RolloutPlan()
    let kind = try fields.text("kind")
    guard let known = RolloutPlan.Kind.allCases.first(where: { $0.name == kind }) else {
      throw JudgementFault(field: "kind")
    }
    plan.kind = known
    plan.steps = try fields.list("steps").map { (item) throws(JudgementFault) in
      try RolloutPlan.Amount(recorded: item)
    }
    plan.dwell = try fields.number("dwell_ns")
    plan.confirmWithin = try fields.number("confirm_within_ns")
    plan.confirmsByItself = try fields.flag("auto_confirm")
    plan.thresholds = try HealthThresholds(recorded: try fields.value("thresholds"))
    var progress = RolloutProgress()
    guard let step = Int(exactly: try fields.number("step")), plan.steps.indices.contains(step)
    else { throw JudgementFault(field: "step") }
    progress.step = step
    progress.stepBegin = try fields.number("step_begin_ns")
    var input = HealthInput()
    let ticks = try fields.list("ticks").map(\.recordedNumber)
    guard ticks.count == 2, let count = ticks[0], let nanoseconds = ticks[1] else {
      throw JudgementFault(field: "ticks")
    }
    (input.ticks, input.tickNanoseconds) = (count, nanoseconds)
    input.stable = try HealthFigures(recorded: try fields.value("stable"))
    input.candidate = try HealthFigures(recorded: try fields.value("candidate"))
    judgement = Judgement(plan, progress, now: try fields.number("now_ns"), input)
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

/// The fields of a record by name.
struct RecordFields {
  private let entries: [String: JSON]

  init(_ record: JSON) {
    guard case .object(let pairs) = record else {
      entries = [:]
      return
    }
    entries = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
  }

  func value(_ name: String) throws(JudgementFault) -> JSON {
    guard let value = entries[name] else { throw JudgementFault(field: name) }
    return value
  }

  func text(_ name: String) throws(JudgementFault) -> String {
    guard case .string(let text) = try value(name) else { throw JudgementFault(field: name) }
    return text
  }

  func number(_ name: String) throws(JudgementFault) -> UInt64 {
    guard let number = try value(name).recordedNumber else { throw JudgementFault(field: name) }
    return number
  }

  /// A number that records of earlier agents do not have, which all mean `missing`.
  func number(_ name: String, missing: UInt64) throws(JudgementFault) -> UInt64 {
    entries[name] == nil ? missing : try number(name)
  }

  func flag(_ name: String) throws(JudgementFault) -> Bool {
    switch try number(name) {
    case 0: return false
    case 1: return true
    default: throw JudgementFault(field: name)
    }
  }

  func list(_ name: String) throws(JudgementFault) -> [JSON] {
    guard case .array(let items) = try value(name) else { throw JudgementFault(field: name) }
    return items
  }
}

extension JSON {
  /// A whole number that is not negative.
  var recordedNumber: UInt64? {
    switch self {
    case .unsigned(let number): number
    case .integer(let number): UInt64(exactly: number)
    case .object, .array, .string, .number, .bool, .null: nil
    }
  }
}

extension RolloutPlan.Amount {
  fileprivate init(recorded item: JSON) throws(JudgementFault) {
    if case .array(let items) = item, items.count == 1,
      let count = items[0].recordedNumber.flatMap({ UInt32(exactly: $0) })
    {
      self = .workers(count)
    } else if let share = item.recordedNumber.flatMap({ UInt32(exactly: $0) }) {
      self = .share(share)
    } else {
      throw JudgementFault(field: "steps")
    }
  }
}

extension HealthThresholds {
  fileprivate init(recorded record: JSON) throws(JudgementFault) {
    let fields = RecordFields(record)
    self.init()
    // Errors were judged by the floor of all rates before they had one of their own.
    let floor = try fields.number("rate-floor-micro")
    for field in Self.fields {
      self[keyPath: field.path] =
        field.name == "error-floor-micro"
        ? try fields.number(field.name, missing: floor) : try fields.number(field.name)
    }
  }
}

extension HealthFigures {
  fileprivate init(recorded record: JSON) throws(JudgementFault) {
    let fields = RecordFields(record)
    self.init()
    if try fields.value("packets") != .null { packets = try fields.number("packets") }
    counts = try fields.list("counts").map { (item) throws(JudgementFault) in
      guard case .array(let parts) = item, parts.count == 3, case .string(let name) = parts[0],
        case .string(let word) = parts[1], let kind = SignalKind(named: word),
        let count = parts[2].recordedNumber
      else { throw JudgementFault(field: "counts") }
      return SignalCount(name, kind, count)
    }
    samples = try fields.list("samples").map { (item) throws(JudgementFault) in
      try SampledValues(recorded: item)
    }
  }
}

extension SampledValues {
  fileprivate init(recorded item: JSON) throws(JudgementFault) {
    let fault = JudgementFault(field: "samples")
    guard case .array(let parts) = item, parts.count >= 2, parts.count.isMultiple(of: 2),
      case .string(let name) = parts[0], case .string(let word) = parts[1],
      let unit = Unit(rawValue: word)
    else { throw fault }
    var values = LogHistogram()
    var bucket = 0
    for index in stride(from: 2, to: parts.count, by: 2) {
      guard let step = parts[index].recordedNumber, step < UInt64(LogHistogram.bucketCount),
        let count = parts[index + 1].recordedNumber
      else { throw fault }
      bucket += Int(step)
      guard bucket < LogHistogram.bucketCount else { throw fault }
      values.add(count, toBucket: bucket)
    }
    self.init(name, unit, values)
  }
}
