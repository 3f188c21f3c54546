internal import Bytes
internal import ElfImage
package import Guard
internal import HotSwap
internal import Platform
internal import Probation
package import Refusal
internal import Staging

extension Agent {
  /// Lets candidates be compared with stable on copies of this host's batches, before the start.
  package func defineShadow(_ host: ShadowHost) throws(Refusal) {
    try state.withLock { (state) throws(Refusal) in
      guard state.running == nil else {
        throw Refusal(.state, "shadow mode is defined before the agent starts")
      }
      guard state.shadowHost == nil else {
        throw Refusal(.state, "shadow mode is defined already")
      }
      state.shadowHost = host
    }
  }

  /// Everything that a shadow needs, before workers know of it; throws where it cannot be.
  func prepareShadow(
    _ plan: ShadowPlan, then following: RolloutPlan?, isProbe: Bool, _ transaction: Transaction,
    in running: Running
  ) throws(Refusal) -> Shadow {
    if let flaw = plan.flaw { throw Refusal(.usage, flaw.message, hint: flaw.hint) }
    guard let host = state.withLock({ $0.shadowHost }) else {
      throw Refusal(
        .unsupported, "this host does not take part in shadow mode",
        hint: "leave --shadow out, or have the host call 'hitless_shadow_define'")
    }
    guard let room = running.domain.room, room.options.mode != .off else {
      throw Refusal(
        .state, "the guard is off: a module that faults on a copy would end the host",
        hint: "switch the guard on, or leave --shadow out")
    }
    let bench = try shadowBench(host, in: room)
    guard let area = ShadowArea(host, share: plan.share) else {
      throw Refusal(.noSpace, "no memory for copies of batches")
    }
    // Those that are here now lose no batch by it; the others are seated when they are seen.
    for worker in running.domain.positions() { area.seat(worker.index) }
    let run = ShadowRun(area)
    let sides = ShadowSides(transaction, running, bench)
    do throws(SystemError) {
      try SystemThread.start("hitless-shadow", at: options.threads) { [self] in
        compareCopies(sides, run)
        run.end()
      }.detach()
    } catch {
      throw error.refusal
    }
    return Shadow(plan, then: following, isProbe: isProbe, run)
  }

  /// The place where copies are run: made once, because its record stays with the guard's.
  private func shadowBench(_ host: ShadowHost, in room: GuardRoom) throws(Refusal) -> ShadowBench {
    if let bench = state.withLock({ $0.shadowBench }) { return bench }
    let bench = try ShadowBench(host, in: room)
    state.withLock { $0.shadowBench = bench }
    return bench
  }

  /// Throws while a candidate is only run on copies.
  func requireNoShadow(_ transaction: Transaction) throws(Refusal) {
    guard let shadow = transaction.shadow, !shadow.isOver else { return }
    throw Refusal(
      .state, "the candidate of transaction \(transaction.number) is in shadow: no worker has it",
      found: "\(shadow.run.figures.compared) batches compared",
      hint: "it goes on by itself; or roll it back")
  }
}

/// What the thread of a shadow works with.
struct ShadowSides: Sendable {
  let number: UInt64
  let stable: Generation
  let stableModules: [StagedModule]
  let candidate: Generation
  /// Names of the modules, by slot.
  let modules: [String]
  let domain: SwapDomain
  let bench: ShadowBench

  init(_ transaction: Transaction, _ running: Agent.Running, _ bench: ShadowBench) {
    number = transaction.number
    stable = running.stable
    stableModules = running.modules
    candidate = transaction.generation
    modules = transaction.modules.map(\.facts.name)
    domain = running.domain
    self.bench = bench
  }
}

/// The thread that runs copies.
extension Agent {
  /// How long it sleeps when there is nothing to do, and how often it looks for new workers: workers may not
  /// make a system call to wake it.
  private static let shadowPause: UInt64 = 1_000_000
  private static let seatInterval: UInt64 = 50_000_000

  fileprivate func compareCopies(_ sides: ShadowSides, _ run: ShadowRun) {
    sides.bench.enter()
    defer { sides.bench.leave() }
    var indices: [UInt32] = []
    var nextSeats: UInt64 = 0
    var skipped: UInt64 = 0
    while !run.isStopping {
      let now = MonotonicClock.now
      if now >= nextSeats {
        indices = sides.domain.positions().map(\.index)
        for index in indices { run.area.seat(index) }
        nextSeats = now &+ Self.seatInterval
      }
      var isIdle = true
      for index in indices where run.goesOn {
        if takeCopy(of: index, sides, run) { isIdle = false }
      }
      skipped = countSkipped(run, since: skipped)
      lookIfDecided(sides.number)
      if isIdle, !run.pause(Self.shadowPause) { break }
    }
    _ = countSkipped(run, since: skipped)
  }

  /// Runs the oldest copy of a worker on both sides; false when there is none.
  private func takeCopy(of index: UInt32, _ sides: ShadowSides, _ run: ShadowRun) -> Bool {
    unsafe run.area.take(from: Int(index)) { bytes in
      let outcome = unsafe sides.bench.compare(
        bytes, sides.stable.record, sides.candidate.record,
        breaker: sides.candidate.breaker.record)
      switch outcome {
      case .compared(let differences): count(differences, of: index, sides, run)
      case .stale:
        _ = run.add(compared: 0, skipped: 1, [])
        state.withLock { $0.metrics.shadow.stale += 1 }
      // Who answers for faults ends the shadow.
      case .faulted: run.stop()
      case .stableFaulted(let fault): note(stableFault: fault, of: index, sides, run)
      }
    }
  }

  /// Takes note that stable has faulted on a copy.
  ///
  /// The shadow is ended by the timer, like one that has diverged: whoever rolls back waits for this thread, so this
  /// thread must not be the one. Until then it goes on asking for a look, because one that was decided about before
  /// the fault may put the next look off. Whoever answers for faults of candidates never hears of it.
  private func note(
    stableFault fault: GuardFault, of worker: UInt32, _ sides: ShadowSides, _ run: ShadowRun
  ) {
    // First of all: no look from here on says that the candidate was equal.
    run.noteStableFault()
    let report = FaultReport(fault, modules: sides.stableModules, stablesCopyOf: worker)
    run.keep(report)
    state.withLock { $0.metrics.shadow.stableFaults[report.cause, default: 0] &+= 1 }
    note("stable-faulted", sides.number, "\(report)", report.json)
  }

  private func count(
    _ differences: [ShadowDifference], of worker: UInt32, _ sides: ShadowSides, _ run: ShadowRun
  ) {
    let reports = differences.map { difference in
      let slot = difference.slot.map(Int.init)
      let module = slot.map { sides.modules.indices.contains($0) ? sides.modules[$0] : "" }
      return ShadowReport(
        module: module ?? ShadowReport.host, worker: worker, difference: difference)
    }
    state.withLock { state in
      state.metrics.shadow.compared += 1
      for report in reports { state.metrics.shadow.divergences[report.module, default: 0] += 1 }
    }
    for report in run.add(compared: 1, skipped: 0, reports) {
      note("diverged", sides.number, "\(report)", report.json)
    }
  }

  /// Takes note of batches that were drawn and not copied; returns how many there are by now.
  private func countSkipped(_ run: ShadowRun, since before: UInt64) -> UInt64 {
    let skips = run.area.skips
    let total = skips.full &+ skips.declined
    guard total != before else { return before }
    _ = run.add(compared: 0, skipped: total &- before, [])
    state.withLock { $0.metrics.shadow.noteSkips(skips.full, skips.declined, of: run) }
    return total
  }

  /// Has the timer look now if there is something to be decided.
  private func lookIfDecided(_ number: UInt64) {
    state.withLock { state in
      guard let shadow = state.transaction?.shadow, state.transaction?.number == number,
        !shadow.isOver, shadow.nextLook > 0
      else { return }
      let decision = shadow.judgement(at: MonotonicClock.now).decide()
      if case .wait = decision.action { return }
      state.transaction?.shadow?.nextLook = 0
    }
  }
}

/// What the timer's thread does when it is time to look.
extension Agent {
  /// Looks at a shadow and does what follows; false when that could not be done now.
  func lookAtShadow(of number: UInt64) -> Bool {
    let found = state.withLock { state in
      state.transaction.flatMap { $0.number == number && $0.state == .active ? $0.shadow : nil }
    }
    guard let shadow = found, !shadow.isOver else { return true }
    let judgement = shadow.judgement(at: MonotonicClock.now)
    let decision = judgement.decide()
    set(number) { $0.last = decision }
    note(
      "compared", number,
      "shadow, \(judgement.figures.compared) batches: \(decision.verdict.name)"
        + (decision.verdict.detail.isEmpty ? "" : " (\(decision.verdict.detail))"),
      [("shadow", judgement.json(decision))])
    do throws(Refusal) {
      switch decision.action {
      case .wait(let age): set(number) { $0.nextLook = $0.begin &+ age }
      case .advance: try leaveShadow(number)
      case .rollBackDivergent:
        try rollback(number, because: .divergence, detail: decision.verdict.detail)
      case .rollBackInconclusive:
        try rollback(number, because: .inconclusive, detail: decision.verdict.detail)
      }
      return true
    } catch {
      return false
    }
  }

  private func set(_ number: UInt64, _ change: (inout Shadow) -> Void) {
    state.withLock { state in
      guard state.transaction?.number == number, var shadow = state.transaction?.shadow
      else { return }
      change(&shadow)
      state.transaction?.shadow = shadow
    }
  }

  /// Gives the candidate its first traffic, as the plan that was asked for with the shadow says.
  private func leaveShadow(_ number: UInt64) throws(Refusal) {
    let swap = try exclusively("advance", number) { () throws(Refusal) in
      let (running, transaction) = try current(number, in: [.active])
      guard let shadow = transaction.shadow, !shadow.isOver else {
        throw Refusal(.state, "transaction \(number) is in shadow no more")
      }
      // From here on no copy can fault, so that no breaker is closed that one has opened.
      shadow.run.stop()
      shadow.run.waitUntilEnded()
      try requireSound(shadow, of: number)
      try requireUnfrozen(transaction.changedModules)
      try requireNoFault(transaction, in: running.domain)
      announce(transaction.generation, in: running.domain)
      let begun = try begin(
        transaction, shadow.following, isProbe: shadow.isProbe, in: running)
      set(number) { $0.isOver = true }
      return PublishedSwap(
        running.domain, begun.publication, number, "stepped",
        detail: "after \(shadow.run.figures.compared) batches in shadow, "
          + (begun.rollout?.stepText ?? "everywhere"))
    }
    _ = finish(swap)
  }

  /// Throws when stable has faulted on a copy after it was decided that the candidate is equal; the next look
  /// ends the shadow.
  private func requireSound(_ shadow: Shadow, of number: UInt64) throws(Refusal) {
    guard shadow.run.figures.stableFaults > 0 else { return }
    throw Refusal(.health, "stable has faulted on a copy in the shadow of transaction \(number)")
  }
}

extension Agent {
  /// Whether a candidate is on trial that no worker has yet.
  package var shadowIsUnderWay: Bool {
    state.withLock { $0.transaction?.shadow.map { !$0.isOver } ?? false }
  }

  /// The fault of stable that has ended the last shadow; nil when there was none.
  package var shadowStableFault: FaultReport? {
    state.withLock { $0.transaction?.shadow?.run }?.stableFault
  }

  /// The first divergences of the last shadow.
  package var shadowReports: [ShadowReport] {
    state.withLock { $0.transaction?.shadow?.run }?.kept ?? []
  }
}
