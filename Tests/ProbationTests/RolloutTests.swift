import CHitless
import Probation
import Testing

@Suite("Rollout")
struct RolloutTests {
  private var plan: RolloutPlan {
    var plan = RolloutPlan()
    plan.steps = [.share(655), .share(6554), .share(RolloutPlan.all)]
    plan.dwell = 8_000_000
    plan.confirmWithin = 100_000_000
    plan.confirmsByItself = true
    return plan
  }

  private let sick = HealthVerdict.unhealthy(HealthFinding(subject: "x", detail: "y"))
  private let unknown = HealthVerdict.inconclusive("too little")

  private func progress(_ step: Int, since begin: UInt64) -> RolloutProgress {
    var progress = RolloutProgress()
    progress.step = step
    progress.stepBegin = begin
    return progress
  }

  @Test func `all of it is what the header says`() {
    #expect(RolloutPlan.all == HITLESS_SHARE_ALL)
    #expect(LogHistogram.bucketCount == Int(HITLESS_BUCKETS))
  }

  @Test func `a healthy candidate goes from step to step and is confirmed`() {
    var progress = RolloutProgress()
    var now: UInt64 = 0
    var actions: [RolloutAction] = []
    while now < 50_000_000 {
      let action = plan.action(progress, at: now, .healthy)
      switch action {
      case .wait(let time):
        #expect(time > now)
        now = time
        continue
      case .advance(let step): (progress.step, progress.stepBegin) = (step, now)
      case .confirm, .rollBack: now = .max
      }
      actions.append(action)
    }
    #expect(actions == [.advance(to: 1), .advance(to: 2), .confirm])
  }

  @Test func `health is looked at several times in a step, and at its end`() {
    var looks: [UInt64] = []
    var now: UInt64 = 0
    while case .wait(let time) = plan.action(RolloutProgress(), at: now, .healthy) {
      looks.append(time)
      now = time
    }
    #expect(looks == (1...8).map { $0 * 1_000_000 })
  }

  @Test func `what is wrong ends it at any look`() {
    for now in [0, 1, 8_000_000, 99_999_999, 100_000_000, UInt64.max] {
      #expect(plan.action(progress(1, since: 0), at: now, sick) == .rollBack(.health))
    }
  }

  @Test func `not knowing waits for the end, and ends as a failure`() {
    let late = progress(0, since: 0)
    #expect(plan.action(late, at: 9_000_000, unknown) == .wait(until: 10_000_000))
    #expect(plan.action(late, at: 99_500_000, unknown) == .wait(until: 100_000_000))
    #expect(plan.action(late, at: 100_000_000, unknown) == .rollBack(.inconclusive))
    #expect(
      plan.action(progress(2, since: 0), at: 100_000_000, unknown) == .rollBack(.inconclusive))
  }

  @Test func `the longer a step is over, the less often it is looked at`() {
    var plan = plan
    plan.confirmWithin = 3_600_000_000_000
    var now: UInt64 = 8_000_000
    var looks = 0
    while case .wait(let time) = plan.action(RolloutProgress(), at: now, unknown) {
      #expect(time > now && time - now <= 10_000_000_000)
      now = time
      looks += 1
    }
    #expect(now == plan.confirmWithin && looks < 500, "\(looks)")
  }

  /// Each look was a line of up to 48 KB: days of waiting pushed everything else out of the log.
  @Test func `what a look repeats is written down ever more seldom, and what is new always`() {
    var plan = plan
    plan.confirmsByItself = false
    plan.confirmWithin = RolloutPlan.confirmLimit
    let last = progress(2, since: 0)
    var record: RolloutRecord?
    var (now, looks, lines): (UInt64, Int, [UInt64]) = (0, 0, [])
    while case .wait(let next) = plan.action(last, at: now, .healthy) {
      looks += 1
      if plan.isRecorded(.wait(until: next), .healthy, last, at: now, after: record) {
        record = RolloutRecord(at: now, .healthy)
        lines.append(now)
      }
      now = next
    }
    #expect(looks > 200_000 && lines.count < 130, "\(lines.count) of \(looks)")
    #expect(lines.filter { $0 <= 8_000_000 }.count == 9)
    for (line, next) in zip(lines, lines.dropFirst()) {
      #expect(next - line < max(320_000_000_000, next / 7))
    }
    for verdict in [sick, unknown] {
      #expect(plan.isRecorded(.wait(until: now), verdict, last, at: now, after: record))
    }
    #expect(plan.isRecorded(.rollBack(.notConfirmed), .healthy, last, at: now, after: record))
  }

  @Test func `a healthy last step waits for whoever is to confirm it, and not for ever`() {
    var byHand = plan
    byHand.confirmsByItself = false
    let last = progress(2, since: 16_000_000)
    #expect(byHand.action(last, at: 24_000_000, .healthy) == .wait(until: 25_000_000))
    #expect(byHand.action(last, at: 100_000_000, .healthy) == .rollBack(.notConfirmed))
    #expect(plan.action(last, at: 100_000_000, .healthy) == .rollBack(.notConfirmed))
  }

  @Test
  func `steps below the first are left out, and stable is watched before everything changes`() {
    let all = RolloutPlan.all
    #expect(
      RolloutPlan.steps(.batches, first: .share(3277), later: [655, 6554, all])
        == [.share(3277), .share(6554), .share(all)])
    #expect(
      RolloutPlan.steps(.workers, first: .workers(1), later: [655, all])
        == [.share(0), .workers(1), .share(655), .share(all)])
    #expect(RolloutPlan.steps(.batches, first: nil, later: [all]) == [.share(0), .share(all)])
    // Who asks for half and then for a quarter has made a mistake: nothing of it is done.
    var falling = RolloutPlan()
    falling.steps = RolloutPlan.steps(
      .batches, first: .share(655), later: [655, all / 2, all / 4, all])
    #expect(falling.flaw?.message == "a step of the rollout is not more than the one before")
  }

  /// One whose last step ended with its time was taken, and rolled back after all its steps had been healthy.
  @Test(arguments: [1, 3, 32], [1_000_000, 8_000_001, 120_000_000_000] as [UInt64])
  func `the shortest plan that is taken confirms itself, and a shorter one is refused`(
    count: Int, dwell: UInt64
  ) {
    var plan = plan
    plan.steps = (1..<count).map { .share(UInt32($0)) } + [.share(RolloutPlan.all)]
    plan.dwell = dwell
    plan.confirmWithin = UInt64(count) * dwell + dwell / 8
    #expect(plan.flaw == nil)
    var progress = RolloutProgress()
    var now: UInt64 = 0
    // Each look comes a little late, as they do.
    let delay = dwell / 8 / UInt64(count + 1)
    while true {
      switch plan.action(progress, at: now, .healthy) {
      case .wait(let time):
        now = time
        continue
      case .advance(let step):
        progress.step = step
        progress.stepBegin = now + delay
        continue
      case .confirm: break
      case .rollBack(let reason): Issue.record("\(reason) at \(now) of \(plan.confirmWithin)")
      }
      break
    }
    for shorter in [plan.confirmWithin - 1, UInt64(count) * dwell] {
      plan.confirmWithin = shorter
      #expect(plan.flaw?.hint.contains("--confirm-within must be at least") == true)
    }
    // Somebody can confirm it in its last step.
    plan.confirmsByItself = false
    #expect(plan.flaw == nil)
    plan.confirmWithin -= 1
    #expect(plan.flaw != nil)
  }

  @Test func `a plan that makes no sense is refused with a hint`() {
    #expect(plan.flaw == nil && RolloutPlan().flaw == nil)
    let changes: [(inout RolloutPlan) -> Void] = [
      { $0.steps = [] }, { $0.steps.removeLast() }, { $0.steps.insert(.share(700), at: 0) },
      { $0.steps.insert(.workers(1), at: 0) }, { $0.steps.insert(.share(0), at: 1) },
      { $0.steps = (0..<40).map { .share($0) } + [.share(RolloutPlan.all)] },
      { $0.steps = [.share(70_000), .share(RolloutPlan.all)] },
      { $0.dwell = 0 }, { $0.dwell = .max }, { $0.confirmWithin = 20_000_000 },
      { $0.confirmWithin = .max }, { $0.thresholds.minimumSamples = 0 },
      {
        $0.kind = .workers
        $0.steps.insert(.workers(0), at: 0)
      },
    ]
    for (index, change) in changes.enumerated() {
      var broken = plan
      change(&broken)
      #expect(broken.flaw?.hint.isEmpty == false, "change \(index)")
    }
  }

  @Test func `shares are told in per cent`() {
    let texts = [0, 655, 3277, 6554, 32_768, RolloutPlan.all].map {
      "\(RolloutPlan.Amount.share($0))"
    }
    #expect(texts == ["0 %", "1 %", "5 %", "10 %", "50 %", "100 %"])
    #expect(
      "\(RolloutPlan.Amount.workers(1)), \(RolloutPlan.Amount.workers(3))" == "1 worker, 3 workers")
  }
}
