import Bytes
import Probation
import Testing

@Suite("Records of judgements")
struct JudgementTests {
  private func judgement(_ change: (inout HealthInput) -> Void = { _ in }) -> Judgement {
    var plan = RolloutPlan()
    plan.kind = .workers
    plan.steps = [.workers(1), .share(32_768), .share(RolloutPlan.all)]
    plan.thresholds.minimumSamples = 100
    var progress = RolloutProgress()
    progress.step = 1
    progress.stepBegin = 31_000_000_000
    var figures = input()
    change(&figures)
    return Judgement(plan, progress, now: 61_000_000_000, figures)
  }

  @Test func `a record is read as it was written, and decided in the same way`() throws {
    let cases = [
      judgement(), judgement { $0.candidate = Side(errors: 5000).figures },
      judgement { $0.candidate = Side(median: 9000).figures },
      judgement { $0.stable = Side(packets: nil, samples: 3).figures },
    ]
    for judgement in cases {
      let decision = judgement.decide()
      let recorded = try RecordedJudgement(judgement.json(decision))
      #expect(recorded.judgement == judgement)
      #expect(recorded.isSame && recorded.verdict == decision.verdict.name)
    }
    #expect(Set(cases.map { $0.decide().verdict.name }).count == 3)
  }

  @Test func `a record whose input was changed does not come to the same`() throws {
    let judgement = judgement { $0.candidate = Side(drops: 5000).figures }
    #expect(judgement.decide().action == .rollBack(.health))
    let honest = judgement.json(judgement.decide())
    let changed = replacing("candidate", with: "stable", in: honest)
    #expect(try RecordedJudgement(honest).isSame)
    #expect(try !RecordedJudgement(changed).isSame)
  }

  /// Errors were judged by the floor of all rates before they had one of their own; such records were refused, and
  /// with the floor of today some would come to another decision.
  @Test func `a record of before errors had a floor of their own is decided as it was then`() throws
  {
    // Six in ten thousand more: more than today's floor of errors, less than that of all rates.
    var figures = input(Side(packets: 10_000_000), Side(packets: 10_000_000, errors: 6000))
    (figures.elapsed, figures.dwell) = (30_000_000_000, 30_000_000_000)
    var plan = RolloutPlan()
    plan.thresholds.errorFloorMicro = plan.thresholds.rateFloorMicro
    var progress = RolloutProgress()
    (progress.step, progress.stepBegin) = (1, 31_000_000_000)
    let then = Judgement(plan, progress, now: 61_000_000_000, figures)
    #expect(then.decide().verdict.name == "healthy")
    let old = without("error-floor-micro", in: then.json(then.decide()))
    #expect(!old.text.contains("error-floor-micro"))
    #expect(try RecordedJudgement(old).isSame)
    plan.thresholds.errorFloorMicro = HealthThresholds().errorFloorMicro
    let now = Judgement(plan, progress, now: 61_000_000_000, figures)
    #expect(now.decide().verdict.name == "unhealthy", "or nothing is tried here")
    #expect(try RecordedJudgement(now.json(now.decide())).isSame)
  }

  /// The record without the fields of a name, however deep.
  private func without(_ name: String, in record: JSON) -> JSON {
    switch record {
    case .object(let fields):
      .object(fields.filter { $0.0 != name }.map { ($0.0, without(name, in: $0.1)) })
    case .array(let items): .array(items.map { without(name, in: $0) })
    default: record
    }
  }

  /// The record with the value of one field taken from another.
  private func replacing(_ field: String, with other: String, in record: JSON) -> JSON {
    guard case .object(let fields) = record, let value = fields.first(where: { $0.0 == other })
    else { return record }
    return .object(fields.map { $0.0 == field ? ($0.0, value.1) : $0 })
  }

  @Test func `a record that lacks a field, or has another kind of value there, names it`() throws {
    let whole = judgement()
    guard case .object(let fields) = whole.json(whole.decide()) else {
      Issue.record("a record is an object")
      return
    }
    for (index, field) in fields.enumerated() {
      var without = fields
      without.remove(at: index)
      #expect(throws: JudgementFault(field: field.0)) {
        try RecordedJudgement(.object(without))
      }
      var changed = fields
      changed[index].1 = .number(0.5)
      #expect(throws: JudgementFault.self) { try RecordedJudgement(.object(changed)) }
    }
    #expect(throws: JudgementFault.self) { try RecordedJudgement(.null) }
  }

  @Test func `buckets beyond the last one are no samples`() {
    for steps in [[655, 1], [UInt64.max, 0], [656, 0]] {
      let whole = judgement()
      let series: [JSON] = [.string("batch"), .string("batch")]
      let cells = steps.flatMap { [JSON.unsigned($0), .unsigned(1)] }
      let broken: JSON = .object([
        ("packets", .null), ("counts", .array([])), ("samples", .array([.array(series + cells)])),
      ])
      guard case .object(let fields) = whole.json(whole.decide()) else { continue }
      let record: JSON = .object(fields.map { $0.0 == "stable" ? ($0.0, broken) : $0 })
      #expect(throws: JudgementFault(field: "samples")) { try RecordedJudgement(record) }
    }
  }

  @Test func `what would be too long for a line is decided by coarser buckets`() throws {
    var histogram = LogHistogram()
    for bucket in 100..<600 { histogram.add(UInt64(bucket), toBucket: bucket) }
    let crowded = judgement { figures in
      for side in 0..<32 {
        figures.stable.samples.append(SampledValues("s\(side)", .gauge, histogram))
        figures.candidate.samples.append(SampledValues("s\(side)", .gauge, histogram))
      }
    }
    let fitted = crowded.fitted(to: 48_000)
    let record = fitted.json(fitted.decide())
    #expect(record.text.utf8.count <= 48_000)
    #expect(crowded.json(crowded.decide()).text.utf8.count > 100_000)
    #expect(try RecordedJudgement(record).isSame)
    #expect(judgement().fitted(to: 48_000) == judgement())
  }

  @Test func `deciding twice is deciding once`() {
    let judgement = judgement { $0.candidate = Side(errors: 140).figures }
    #expect((0..<100).allSatisfy { _ in judgement.decide() == judgement.decide() })
  }
}
