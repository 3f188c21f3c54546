internal import Bytes
internal import ElfImage
internal import HotSwap
internal import Journal
internal import PatchFormat
internal import Platform
internal import Refusal
internal import Staging
internal import Verification

extension Agent {
  /// Starts the thread that looks at modules in memory; without one they are not looked at, and that is said.
  ///
  /// It yields to everything else on its processor, and holds nothing that anybody waits for.
  func startGoldenCheck() {
    let interval = options.golden.interval
    guard interval > 0 else { return }
    var placement = options.threads
    placement.nice = max(placement.nice ?? 0, 19)
    let pace = goldenThread
    pace.begin()
    do throws(SystemError) {
      // It holds the agent for one piece at a time: who drops an agent ends it.
      try SystemThread.start("hitless-golden", at: placement) { [weak self] in
        defer { pace.end() }
        var round = GoldenRound([])
        while pace.pause(round.pause(interval: interval)) {
          guard let self, step(&round) else { return }
        }
      }.detach()
    } catch {
      pace.end()
      note("overdue", 0, "no thread to look at modules in memory: \(error)")
    }
  }

  /// Looks at the next piece, of the next round where one is over; false when the agent was closed.
  private func step(_ round: inout GoldenRound) -> Bool {
    guard let next = round.next() else {
      round = GoldenRound(state.withLock { $0.liveModules })
      return !state.withLock { $0.isClosed }
    }
    if !check(next.module, next.piece, isLast: next.isLast) { round.skipModule() }
    return true
  }

  /// Looks at every live module now, without a pause; returns how many have changed.
  ///
  /// For tests, and for who wants to know at once.
  @discardableResult
  package func checkGoldenImages() -> Int {
    var changed = 0
    for module in state.withLock({ $0.liveModules }) {
      for piece in 0..<module.golden.pieceCount
      where !check(module, piece, isLast: piece + 1 == module.golden.pieceCount) {
        changed += 1
        break
      }
    }
    return changed
  }

  /// Whether a piece is what it was; does what follows when it is not.
  private func check(_ module: StagedModule, _ piece: Int, isLast: Bool) -> Bool {
    switch module.golden.check(piece, of: module.module) {
    case .same:
      state.withLock { state in
        state.metrics.goldenBytes &+= UInt64(module.golden.size(of: piece))
        if isLast { state.metrics.goldenChecks &+= 1 }
      }
      return true
    case .gone: return true
    case .changed(let address):
      answer(forDamageOf: module, at: address)
      return false
    }
  }

  /// Takes a module out of force that is not in memory what it was, as far as there is something better.
  private func answer(forDamageOf module: StagedModule, at address: UInt64) {
    let (isNew, number, keys) = state.withLock { state in
      state.noteDamage(of: module)
    }
    let place = "\(module.facts.name) \(module.facts.version)+0x\(String(address, radix: 16))"
    if isNew {
      note(
        "damaged", number,
        "the memory of \(place) is not what it was, build-id \(module.image.buildID.hex)",
        [
          ("module", .string(module.facts.name)),
          ("build_id", .string(module.image.buildID.hex)), ("offset", .unsigned(address)),
        ])
    }
    let problem = withdraw(damaged: module, detail: place)
    reportOpening(of: keys, .hash, number)
    guard let problem else { return }
    // It is found again with each round; what has become of it meanwhile, as when the candidate went, is news.
    let isNews = state.withLock {
      $0.protection.alarms.updateValue(problem, forKey: ObjectIdentifier(module)) != problem
    }
    guard isNews else { return }
    note("alarm", number, "\(place) \(problem)", [("module", .string(module.facts.name))])
  }

  /// What is to be said where a module stays in force, or stays what there is to go back to.
  private static let hopeless =
    "stays in force: there is nothing good to go back to; restart the host"
  private static let aside =
    "stays what a rollback leads to: the candidate has everything, and is good; confirm it before its time is over, or restart the host"

  private static let damagePause: UInt64 = 1_000_000

  /// Goes back to what is good; returns what is wrong where that cannot be done.
  private func withdraw(damaged module: StagedModule, detail: String) -> String? {
    state.withLock { $0.withdrawals += 1 }
    defer { state.withLock { $0.withdrawals -= 1 } }
    while true {
      let step = state.wait(until: .after(.max)) { $0.recovery(from: module) }
      do throws(Refusal) {
        switch step {
        case .none, .settled: return nil
        case .hopeless: return Self.hopeless
        case .aside: return Self.aside
        case .rollback(let number):
          try rollback(number, because: .goldenHashMismatch, detail: detail)
        case .revert(let generation, let fallback):
          let isGood = fallback.modules.allSatisfy { $0.golden.check($0.module) == .same }
          guard isGood else { return Self.hopeless }
          try revert(generation, because: .goldenHashMismatch, detail: detail)
        }
      } catch {
        // Somebody was faster, or there is no memory for a view: look again soon.
        _ = state.wait(until: .after(Self.damagePause)) { $0.isClosed ? true : nil }
      }
    }
  }
}

extension Agent.State {
  /// Whether `module` is in force.
  func uses(_ module: StagedModule) -> Bool {
    let trial = transaction.map { $0.state == .active ? $0.modules : [] } ?? []
    return ((running?.modules ?? []) + trial).contains { $0 === module }
  }

  /// The modules that are in force, or may be again, each once.
  ///
  /// Those of stable, of the transaction, and of what to go back to.
  var liveModules: [StagedModule] {
    var found: [StagedModule] = []
    var all = running?.modules ?? []
    if let transaction { all += transaction.modules }
    all += running?.fallback?.modules ?? []
    for module in all where !found.contains(where: { $0 === module }) { found.append(module) }
    return found
  }

  /// Remembers that a module has changed in memory; returns whether that is news, the transaction that it came
  /// with, and the breakers that have opened by it.
  fileprivate mutating func noteDamage(
    of module: StagedModule
  ) -> (Bool, UInt64, [BreakerTable.Key]) {
    let isCandidate =
      transaction.map { transaction in
        transaction.state != .confirmed && transaction.modules.contains { $0 === module }
          && running?.modules.contains { $0 === module } != true
      } ?? false
    let number = isCandidate ? transaction?.number ?? 0 : 0
    guard !protection.isDamaged(module) else { return (false, number, []) }
    protection.damaged.append(module)
    metrics.goldenMismatches &+= 1
    metrics.countFailure(.hash)
    guard isCandidate, let patch = transaction?.patch.identity else { return (true, number, []) }
    let key = BreakerTable.Key(patch: patch, module: module.facts.name)
    let event = BreakerEvent(.hash, at: MonotonicClock.now)
    let hasOpened = protection.breakers.fail(key, event, protection.rules(of: key.module))
    if let transaction, mayServeCandidate { transaction.generation.breaker.open() }
    return (true, number, hasOpened ? [key] : [])
  }

  /// What is to be done about a module that has changed in memory.
  fileprivate enum Recovery {
    /// Nothing in force uses it.
    case settled
    case rollback(UInt64)
    case revert(UInt64, Agent.Fallback)
    /// Everything that could be in force instead has changed as well, or there is nothing.
    case hopeless
    /// It is stable's, and a candidate that is good has all traffic.
    case aside
  }

  /// What is to be done now; nil while something else is being done.
  fileprivate func recovery(from module: StagedModule) -> Recovery? {
    if isClosed { return .settled }
    guard operation == nil else { return nil }
    let isStable = running?.modules.contains { $0 === module } ?? false
    if let transaction, transaction.state == .active {
      if transaction.modules.contains(where: { $0 === module }) {
        return .rollback(transaction.number)
      }
      // Where the candidate is what runs, and is good, it is better than to go back to what is not.
      if transaction.hasEverything { return isStable ? .aside : .settled }
    }
    guard isStable else { return .settled }
    guard let running, let fallback = running.fallback,
      !fallback.modules.contains(where: { protection.isDamaged($0) })
    else { return .hopeless }
    return .revert(running.stable.number, fallback)
  }
}
