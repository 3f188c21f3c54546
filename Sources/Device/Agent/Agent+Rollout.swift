internal import AgentControl
internal import Bytes
internal import HotSwap
internal import Platform
package import Probation
package import Refusal
internal import Staging

extension Agent {
  /// Names something that workers count, before the start; its number is what `hitless_signal_add` takes.
  package func defineSignal(_ name: String, _ kind: SignalKind) throws(Refusal) -> UInt32 {
    guard PlainName.isValid(name.utf8) else {
      throw Refusal(.path, "a signal may not be called '\(name)'", expected: PlainName.rule)
    }
    guard kind != .packets else {
      throw Refusal(.usage, "the packets are signal 0, which is there already")
    }
    return try state.withLock { (state) throws(Refusal) in
      guard state.running == nil else {
        throw Refusal(.state, "signals are defined before the agent starts")
      }
      guard !state.signals.contains(where: { $0.name == name }) else {
        throw Refusal(.state, "signal '\(name)' is defined already")
      }
      guard state.signals.count + 1 < HealthTotals.signalLimit else {
        throw Refusal(.limit, "there are \(HealthTotals.signalLimit - 1) signals at most")
      }
      state.signals.append(HealthSignal(name: name, kind: kind))
      return UInt32(state.signals.count)
    }
  }

  /// Throws unless `plan` makes sense.
  func check(_ plan: RolloutPlan?) throws(Refusal) {
    guard let flaw = plan?.flaw else { return }
    throw Refusal(.usage, flaw.message, hint: flaw.hint)
  }

  /// What workers have counted by now.
  func reading(_ domain: SwapDomain) -> HealthReading {
    let (signals, slots) = state.withLock { ($0.signals, $0.slots.count) }
    return HealthReading(domain, signals: signals, slots: slots)
  }

  /// Where a step of a plan puts the candidate.
  func placement(_ plan: RolloutPlan, step: Int, in domain: SwapDomain) -> Placement {
    switch plan.steps[step] {
    case .workers(let count): return .workers(Int(count))
    case .share(0): return .nowhere
    case .share(RolloutPlan.all): return .everywhere
    case .share(let share):
      switch plan.kind {
      case .batches: return .batches(share)
      case .flows: return .flows(share)
      case .workers:
        let count = domain.workerCount * Int(share) / Int(RolloutPlan.all)
        return .workers(max(1, max(count, firstWorkers(plan))))
      }
    }
  }

  /// How many workers a plan begins with: a share of them is never less.
  private func firstWorkers(_ plan: RolloutPlan) -> Int {
    for case .workers(let count) in plan.steps { return Int(count) }
    return 0
  }
}

/// What the timer's thread does when it is time to look.
extension Agent {
  /// Looks at a rollout and does what follows; false when that could not be done now.
  func look(at number: UInt64) -> Bool {
    guard let (decision, rollout) = judge(number) else { return true }
    do throws(Refusal) {
      switch decision.action {
      case .wait(let age):
        set(number) { $0.nextLook = rollout.atBegin.time &+ age }
      case .advance(let step): try advance(number, to: step)
      case .confirm: try confirm(number, asked: false)
      case .rollBack(let end):
        try rollback(number, because: end.reason, detail: decision.verdict.detail)
      }
      return true
    } catch {
      // Somebody was faster, or there is no memory for a view, or no room on the device. To go back is tried again
      // at once; to go on can wait for the next look, which is another line of the log.
      if case .rollBack = decision.action { return false }
      let age = rollout.age(at: MonotonicClock.now)
      set(number) {
        $0.nextLook = $0.atBegin.time &+ $0.plan.nextLook($0.progress, after: age)
      }
      return true
    }
  }

  /// Decides about a rollout, and writes down by what; nil when there is none any more.
  ///
  /// What says nothing new is written down only when somebody has asked.
  private func judge(
    _ number: UInt64, isAsked: Bool = false
  ) -> (Judgement.Decision, Rollout)? {
    let found = state.withLock { state -> (Rollout, SwapDomain, [HealthSignal], [String])? in
      guard let transaction = state.transaction, transaction.number == number,
        transaction.state == .active, let rollout = transaction.rollout,
        let domain = state.running?.domain
      else { return nil }
      return (rollout, domain, state.signals, state.slots.map(\.requirement.name))
    }
    guard let (rollout, domain, signals, slots) = found else { return nil }
    let judgement = rollout.judgement(reading(domain), signals: signals, slots: slots)
    let decision = judgement.decide()
    let isRecorded =
      isAsked
      || rollout.plan.isRecorded(
        decision.action, decision.verdict, rollout.progress, at: judgement.now,
        after: rollout.record)
    set(number) { rollout in
      rollout.last = decision
      if isRecorded { rollout.record = RolloutRecord(at: judgement.now, decision.verdict) }
    }
    guard isRecorded else { return (decision, rollout) }
    let why = decision.verdict.detail
    note(
      "judged", number,
      "\(rollout.stepText): \(decision.verdict.name)\(why.isEmpty ? "" : " (\(why))"), "
        + decision.action.text(after: judgement.now),
      [("judgement", judgement.json(decision))])
    return (decision, rollout)
  }

  /// Changes the rollout of a transaction, if that still is the one.
  private func set(_ number: UInt64, _ change: (inout Rollout) -> Void) {
    state.withLock { state in
      guard state.transaction?.number == number, var rollout = state.transaction?.rollout
      else { return }
      change(&rollout)
      state.transaction?.rollout = rollout
    }
  }

  /// Puts the next step of a rollout in force.
  private func advance(_ number: UInt64, to step: Int) throws(Refusal) {
    let swap = try exclusively("advance", number) { () throws(Refusal) in
      let (running, transaction) = try current(number, in: [.active])
      guard var rollout = transaction.rollout, rollout.progress.step == step - 1 else {
        throw Refusal(.state, "the rollout of transaction \(number) is at another step")
      }
      try requireNoFault(transaction, in: running.domain)
      let reading = reading(running.domain)
      let publication = try running.domain.publish(
        stable: running.stable, candidate: transaction.generation,
        placement: placement(rollout.plan, step: step, in: running.domain),
        deadline: transaction.confirmBy ?? 0)
      rollout.progress.step = step
      rollout.progress.stepBegin = rollout.age(at: reading.time)
      rollout.atStep = reading
      rollout.nextLook =
        rollout.atBegin.time
        &+ rollout.plan.nextLook(rollout.progress, after: rollout.progress.stepBegin)
      let next = rollout
      set(number) { $0 = next }
      return PublishedSwap(
        running.domain, publication, number, "stepped", detail: rollout.stepText)
    }
    _ = finish(swap)
    moveEagerly(number)
  }

  /// Throws unless a rollout has got so far that somebody may confirm it; what it says about health goes
  /// into the log.
  func requireLastStep(_ transaction: Transaction) throws(Refusal) -> String? {
    guard let rollout = transaction.rollout else { return nil }
    guard rollout.isLastStep else {
      throw Refusal(
        .state, "the rollout of transaction \(transaction.number) is at \(rollout.stepText)",
        hint: "it goes on by itself; confirm it at its last step, or roll it back")
    }
    guard let (decision, _) = judge(transaction.number, isAsked: true) else { return nil }
    if case .unhealthy = decision.verdict {
      set(transaction.number) { $0.nextLook = 0 }
      throw Refusal(
        .health, "the candidate of transaction \(transaction.number) is not healthy",
        found: decision.verdict.detail, hint: "it is being rolled back")
    }
    return decision.verdict.name
  }
}

extension RolloutEnd {
  /// The reason that metrics and the audit log have.
  fileprivate var reason: RollbackReason {
    switch self {
    case .health: .health
    case .inconclusive: .inconclusive
    case .notConfirmed: .notConfirmed
    }
  }
}

extension RolloutAction {
  /// What happens next, for people; `now` is the age of the rollout.
  fileprivate func text(after now: UInt64) -> String {
    switch self {
    case .wait(let time):
      let milliseconds = (time > now ? time - now : 0) / 1_000_000
      return "next look in \(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
    case .advance: return "on to the next step"
    case .confirm: return "confirming"
    case .rollBack: return "rolling back"
    }
  }
}

extension Rollout {
  /// The rollout as the control socket carries it.
  func cbor(at now: UInt64) -> CBOR {
    let next = nextLook > now ? nextLook - now : 0
    return .named([
      "kind": .text(plan.kind.name), "step": .unsigned(UInt64(progress.step + 1)),
      "steps": .array(plan.steps.map { .text("\($0)") }), "share": .text("\(amount)"),
      "text": .text(stepText), "dwell_ns": .unsigned(plan.dwell),
      "elapsed_ns": .unsigned(age(at: now) - min(age(at: now), progress.stepBegin)),
      "next_decision_ns": .unsigned(next), "auto_confirm": .bool(plan.confirmsByItself),
      "verdict": last.map { .text($0.verdict.name) } ?? .null,
      "why": last.map { .text($0.verdict.detail) } ?? .null,
    ])
  }
}
