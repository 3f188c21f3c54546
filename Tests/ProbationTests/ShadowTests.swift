import Bytes
import Probation
import Testing

@Suite("What copies of batches say")
struct ShadowTests {
  private func figures(_ compared: UInt64, _ divergences: UInt64 = 0) -> ShadowFigures {
    var figures = ShadowFigures()
    figures.compared = compared
    figures.divergences = divergences
    if divergences > 0 {
      figures.kinds = [ShadowKind(module: "qer", name: "verdict", count: divergences)]
    }
    return figures
  }

  private func decide(
    _ plan: ShadowPlan, at now: UInt64, _ figures: ShadowFigures
  ) -> ShadowAction {
    ShadowJudgement(plan, now: now, figures).decide().action
  }

  @Test func `a time alone is over at its end, and enough must have been compared by then`() {
    let plan = ShadowPlan(share: 3277, duration: 10_000_000_000)
    #expect(plan.flaw == nil && plan.limit == plan.duration)
    #expect(decide(plan, at: 9_999_999_999, figures(5000)) == .wait(until: 10_000_000_000))
    #expect(decide(plan, at: 10_000_000_000, figures(100)) == .advance)
    #expect(decide(plan, at: 10_000_000_000, figures(99)) == .rollBackInconclusive)
  }

  @Test func `a number of batches is waited for, but not for ever`() {
    let plan = ShadowPlan(share: 3277, batches: 1000)
    #expect(decide(plan, at: 5, figures(1000)) == .advance)
    #expect(decide(plan, at: 0, figures(999)) == .wait(until: 1_000_000_000))
    #expect(decide(plan, at: ShadowPlan.patience, figures(999)) == .rollBackInconclusive)
  }

  @Test func `with both, neither is enough alone`() {
    let plan = ShadowPlan(share: 3277, duration: 2_000_000_000, batches: 1000)
    #expect(decide(plan, at: 1_999_999_999, figures(1000)) == .wait(until: 2_000_000_000))
    #expect(decide(plan, at: 2_000_000_000, figures(1000)) == .advance)
    guard case .wait = decide(plan, at: 2_000_000_000, figures(999)) else {
      Issue.record("it does not wait")
      return
    }
  }

  @Test func `one divergence more than is let pass ends it at any look`() {
    let plan = ShadowPlan(share: 1, batches: 10, allowed: 2)
    #expect(decide(plan, at: 0, figures(3, 3)) == .rollBackDivergent)
    #expect(decide(plan, at: 0, figures(10, 2)) == .advance)
    let verdict = ShadowJudgement(plan, now: 0, figures(3, 3)).decide().verdict
    #expect(verdict.detail.contains("verdict of qer: 3"))
  }

  @Test
  func
    `a stable that faults on a copy ends it at any look, and nothing is said about the candidate`()
  {
    for (compared, divergences) in [(0, 0), (5000, 0), (5000, 3)] as [(UInt64, UInt64)] {
      var found = figures(compared, divergences)
      found.stableFaults = 1
      for now in [0, 5, 20_000_000_000] as [UInt64] {
        let plan = ShadowPlan(share: 1, duration: 10_000_000_000)
        let decision = ShadowJudgement(plan, now: now, found).decide()
        #expect(decision.action == .rollBackInconclusive)
        #expect(decision.verdict.detail.contains("stable has faulted on a copy"))
      }
    }
  }

  @Test func `the next look is later each time, and never after the end`() {
    let plan = ShadowPlan(share: 1, duration: 20_000_000_000)
    var now: UInt64 = 0
    var looks = 0
    while now < plan.limit {
      let next = plan.nextLook(after: now)
      #expect(next > now && next <= plan.limit)
      now = next
      looks += 1
    }
    #expect(looks < 12)
  }

  @Test func `plans that make no sense are told so`() {
    #expect(ShadowPlan(share: 0).flaw != nil)
    #expect(ShadowPlan(share: RolloutPlan.all + 1).flaw != nil)
    #expect(ShadowPlan(share: 1, duration: 999_999).flaw != nil)
    #expect(ShadowPlan(share: 1, duration: .max).flaw != nil)
    #expect(ShadowPlan(share: RolloutPlan.all).flaw == nil)
  }

  @Test func `a decision that was written down is come to again, and a changed one is not`() throws
  {
    let plan = ShadowPlan(share: 3277, batches: 1000, allowed: 1)
    var faulty = figures(1000)
    faulty.stableFaults = 1
    for found in [figures(0), figures(999), figures(1000, 1), figures(7, 2), faulty] {
      let judgement = ShadowJudgement(plan, now: 77, found)
      let record = judgement.json(judgement.decide())
      let read = try RecordedShadow(record)
      #expect(read.judgement == judgement && read.isSame)
      guard case .object(var fields) = record,
        let index = fields.firstIndex(where: { $0.0 == "divergences" })
      else {
        Issue.record("no object")
        return
      }
      fields[index].1 = .unsigned(5)
      #expect(try !RecordedShadow(.object(fields)).isSame || found.stableFaults > 0)
      fields.remove(at: index)
      #expect(throws: JudgementFault(field: "divergences")) { try RecordedShadow(.object(fields)) }
    }
  }

  @Test func `a decision of an agent that did not catch stable's faults means that there was none`()
    throws
  {
    let judgement = ShadowJudgement(
      ShadowPlan(share: 3277, batches: 1000), now: 77, figures(1000))
    guard case .object(var fields) = judgement.json(judgement.decide()) else {
      Issue.record("no object")
      return
    }
    fields.removeAll { $0.0 == "stable_faults" }
    let read = try RecordedShadow(.object(fields))
    #expect(read.judgement == judgement && read.isSame)
    fields.append(("stable_faults", .string("none")))
    #expect(throws: JudgementFault(field: "stable_faults")) { try RecordedShadow(.object(fields)) }
  }
}
