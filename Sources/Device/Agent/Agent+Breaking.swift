internal import Bytes
internal import Digests
internal import ElfImage
internal import Guard
internal import HotSwap
internal import Journal
internal import Platform
package import Refusal
internal import Staging
internal import Verification

extension Agent {
  /// Says for one module, before the start, whether its failures are counted and nothing else.
  package func defineBreaker(of module: String, isMetricsOnly: Bool) throws(Refusal) {
    try state.withLock { (state) throws(Refusal) in
      guard state.running == nil else {
        throw Refusal(.state, "breakers are defined before the agent starts")
      }
      try Self.checkModule(module)
      var rules = state.protection.rules(of: module)
      rules.isMetricsOnly = isMetricsOnly
      state.protection.rulesOfModules[module] = rules
    }
  }

  /// Throws unless a module may be called so.
  static func checkModule(_ name: String) throws(Refusal) {
    guard PlainName.isValid(name.utf8) else {
      throw Refusal(.path, "no module is called '\(name.prefix(80))'", expected: PlainName.rule)
    }
  }

  /// Throws while no patch that changes one of `modules` may be taken.
  func requireUnfrozen(_ modules: [String]) throws(Refusal) {
    try state.withLock { $0.protection }.requireUnfrozen(modules)
  }

  /// Throws when a patch has failed too often.
  func requireNoQuarantine(_ patch: BreakerPatch) throws(Refusal) {
    guard state.withLock({ $0.protection.breakers.isQuarantined(patch) }) else { return }
    throw Refusal(
      .quarantined, "patch \(patch.hex.prefix(16))… has failed too often and is in quarantine",
      hint: "'hitless agent release --patch \(patch.hex.prefix(16))' lets it in again")
  }

  /// Throws unless the candidate may be put in force now; returns whether with a few batches at first.
  func admit(_ transaction: Transaction) throws(Refusal) -> Bool {
    try requireUnfrozen(transaction.changedModules)
    let patch = transaction.patch.identity
    try requireNoQuarantine(patch)
    try requireSameGround(transaction)
    let (damaged, found) = state.withLock { state in
      let protection = state.protection
      return (
        transaction.modules.first { protection.isDamaged($0) },
        protection.breakers.admission(
          of: patch, transaction.changedModules, at: MonotonicClock.now,
          protection.rules(of:))
      )
    }
    if let damaged {
      throw Refusal(
        .integrity,
        "module '\(damaged.facts.name)' is not in memory what it was when it was loaded",
        hint: "roll back and install the patch again, or restart the host")
    }
    switch found.admission {
    case .refused(let left):
      throw Refusal(
        .breakerOpen,
        "the breaker of module '\(found.module)' is open: \(Self.seconds(left)) s are left",
        hint: "wait, or 'hitless agent release --patch \(patch.hex.prefix(16))'")
    case .quarantined: try requireNoQuarantine(patch)
    case .admitted, .probing: break
    }
    // Without the guard nobody counts batches that went well.
    return found.admission == .probing && options.guarding.mode != .off
  }

  /// Throws when a module that the patch leaves as it was is not what runs in its slot any more.
  ///
  /// So it is after stable was given up: the candidate would bring what had faulted back.
  private func requireSameGround(_ transaction: Transaction) throws(Refusal) {
    let running = state.withLock { $0.running?.modules ?? [] }
    let changed = transaction.changedModules
    let other = zip(transaction.modules, running).first { mine, runs in
      mine !== runs && !changed.contains(mine.facts.name)
    }
    guard let (mine, runs) = other else { return }
    throw Refusal(
      .state, "transaction \(transaction.number) was made over modules that were given up since",
      expected: "\(mine.facts.name) \(mine.facts.version)",
      found: "\(runs.facts.name) \(runs.facts.version)",
      hint: "roll it back if it is staged, and install the patch again: over what runs now")
  }

  /// What workers shall find of the candidate's breaker when it is in force.
  func prepareBreaker(of transaction: Transaction, isProbe: Bool) {
    let word = transaction.generation.breaker
    state.withLock { state in
      // Who has frozen it in the meantime counts on the bit: nobody sets it once more.
      if state.mayServeCandidate && state.protection.isFrozen(transaction.changedModules) {
        return state.takeCandidateOut()
      }
      state.transaction?.isTakenOut = false
      if isProbe {
        let rules = state.protection.probeRules(of: transaction)
        word.halfOpen(batches: Int64(clamping: rules.batches))
      } else {
        word.close()
      }
    }
  }

  /// Seconds, rounded up.
  private static func seconds(_ nanoseconds: UInt64) -> UInt64 {
    nanoseconds / 1_000_000_000 + (nanoseconds % 1_000_000_000 == 0 ? 0 : 1)
  }

  /// Throws while too little is known of a candidate that had failed before.
  func requireClosed(_ transaction: Transaction) throws(Refusal) {
    let needed = state.withLock { state in
      state.protection.isProbing(transaction.patch.identity)
        ? state.protection.probeRules(of: transaction).successes : nil
    }
    guard let needed else { return }
    throw Refusal(
      .health, "the candidate has failed before, and its breaker is half-open",
      expected: "\(needed) batches without a failure",
      found: "\(min(transaction.generation.breaker.successes, needed))",
      hint: "workers close it by running batches (hitless_run_batch); or 'hitless agent release"
        + " --patch \(transaction.patch.identity.hex.prefix(16))'")
  }
}

extension Agent {
  /// The candidate is in force with a few batches: watches for enough of them to go well.
  func beginProbe(_ transaction: Transaction) {
    let patch = transaction.patch.identity
    let rules = state.withLock { $0.protection.probeRules(of: transaction) }
    note(
      "breaker-half-open", transaction.number,
      "\(rules.batches) batches may use the candidate at first",
      [("patch", .string(patch.hex))])
    do throws(SystemError) {
      try SystemThread.start("hitless-breaker", at: options.threads) { [self] in
        watchProbe(transaction.number, patch, transaction.generation.breaker, rules.successes)
      }.detach()
    } catch {
      note("breaker-half-open", transaction.number, "no thread to close it: \(error)")
    }
  }

  private static let probePause: UInt64 = 5_000_000

  /// Closes a half-open breaker when enough batches went well.
  private func watchProbe(
    _ number: UInt64, _ patch: BreakerPatch, _ word: BreakerWord, _ needed: UInt64
  ) {
    while true {
      let isOver = state.wait(until: .after(Self.probePause)) { state -> Bool? in
        state.isProbeOver(number, patch) ? true : nil
      }
      if isOver != nil { return }
      guard word.successes >= needed else { continue }
      // A worker that has just failed was faster, and whoever answers for it knows.
      guard word.closeAfterTrial() else { return }
      let hasClosed = state.withLock { state -> Bool in
        !state.isProbeOver(number, patch) && state.protection.breakers.close(patch)
      }
      if hasClosed {
        note(
          "breaker-closed", number, "\(needed) batches went well",
          [("patch", .string(patch.hex))])
      }
      return
    }
  }

  /// Takes note of a failure of a candidate, before anything is done about it; `module` is whose it was, nil
  /// where that cannot be told.
  ///
  /// Returns the breakers that have opened by it, for `reportOpening`.
  func noteFailure(
    _ source: BreakerSource, of module: String?, _ patch: BreakerPatch?, _ modules: [String],
    isOfLoading: Bool = false
  ) -> [BreakerTable.Key] {
    state.withLock { state in
      state.metrics.countFailure(source)
      guard let patch else { return [] }
      let event = BreakerEvent(source, at: MonotonicClock.now, isOfLoading: isOfLoading)
      let keys = (module.map { [$0] } ?? modules).map { BreakerTable.Key(patch: patch, module: $0) }
      return keys.filter { key in
        let rules = state.protection.rules(of: key.module)
        return state.protection.breakers.fail(key, event, rules)
      }
    }
  }

  /// Tells everybody of breakers that have opened, and keeps them for the next start.
  func reportOpening(of keys: [BreakerTable.Key], _ source: BreakerSource, _ number: UInt64) {
    guard !keys.isEmpty else { return }
    let now = MonotonicClock.now
    let table = state.withLock { $0.protection.breakers }
    let isQuarantined = keys.contains { table[$0].isQuarantined }
    // What never was in traffic leaves no trace before it is too much; the refusal says what it was.
    guard isQuarantined || number > 0 || ![.lint, .hash, .load].contains(source) else { return }
    keepProtection()
    for key in keys {
      let breaker = table[key]
      var left: UInt64 = 0
      if case .open(let until) = breaker.state, until > now { left = until - now }
      note(
        "breaker-opened", number,
        "module '\(key.module)': \(source.rawValue), opening \(breaker.openings), for "
          + "\(Self.seconds(left)) s",
        [
          ("patch", .string(key.patch.hex)), ("module", .string(key.module)),
          ("source", .string(source.rawValue)), ("openings", .unsigned(breaker.openings)),
          ("wait_ns", .unsigned(left)),
        ])
    }
    guard isQuarantined, let patch = keys.first?.patch else { return }
    note(
      "quarantined", number, "patch \(patch.hex) has failed too often",
      [("patch", .string(patch.hex))])
  }
}

extension Agent {
  /// Reads what an earlier life of the host has left.
  ///
  /// What cannot be read keeps every patch out, and no host from starting: traffic is on what was confirmed.
  func readProtection() {
    do throws(Refusal) {
      try takeProtection()
    } catch {
      let reason = "the record of breakers cannot be read: \(error)"
      state.withLock {
        let hold = BreakerRecord.Hold(
          time: WallClock.now, user: nil, reason: Self.short(reason))
        $0.protection.unread = hold
        $0.protection.frozen = hold
      }
      note("frozen", 0, reason)
    }
  }

  /// Takes over what the journal has kept.
  private func takeProtection() throws(Refusal) {
    let now = MonotonicClock.now
    guard let record = try journal.breakers() else { return }
    let elapsed = Moment.now.since(record.at) ?? 0
    state.withLock { state in
      let since = state.protection.breakers.entries(at: now)
      state.protection.breakers = BreakerTable(record.entries, elapsed: elapsed, at: now)
      state.protection.breakers.add(since, elapsed: 0, at: now)
      // An order that was given since, while nothing could be read, is not in the record.
      let isNew = state.protection.frozen != state.protection.unread
      if !isNew { state.protection.frozen = record.frozen }
      state.protection.hold(record.held)
      state.protection.stopped = record.stopped
    }
  }

  /// Reads again what could not be read at the start, so that it is not written over: quarantines would be lost.
  ///
  /// Throws while the device does not give it out. A record that is damaged stays lost.
  private func takeUnreadProtection() throws(Refusal) {
    guard state.withLock({ $0.protection.unread != nil }) else { return }
    do throws(Refusal) {
      try takeProtection()
    } catch {
      var refusal = error
      guard refusal.kind == .io || refusal.kind == .noSpace else { return }
      refusal.hint =
        "what was kept out is not known and stays frozen: see to the disk, and ask again"
      throw refusal
    }
  }

  /// Writes down what keeps patches out; what cannot be written holds until this host ends, and is said.
  @discardableResult
  func keepProtection() -> Refusal? {
    do throws(Refusal) {
      try writeProtection { $0 }
      return nil
    } catch {
      options.log(4, "\(options.instance): the state directory takes no writes: \(error)")
      return error
    }
  }

  /// Writes down what keeps patches out after `change`, which is in force when this returns.
  func writeProtection(
    _ change: (Protection) -> Protection
  ) throws(Refusal) {
    // One writer at a time, so that what is written last is what was last.
    try protectionWriter.withLock { _ throws(Refusal) in
      try takeUnreadProtection()
      let before = state.withLock { $0.protection }
      let after = change(before)
      try journal.keep(
        BreakerRecord(
          at: .now, frozen: after.frozen, held: after.held, stopped: after.stopped,
          entries: after.breakers.entries(at: MonotonicClock.now)))
      state.withLock {
        $0.protection = change($0.protection)
        $0.protection.unread = nil
      }
    }
  }
}

extension Agent.State {
  /// Whether there is nothing to wait for any more.
  fileprivate func isProbeOver(_ number: UInt64, _ patch: BreakerPatch) -> Bool {
    isClosed || transaction?.number != number || transaction?.state != .active
      || !protection.isProbing(patch)
  }
}

extension Protection {
  /// Whether a breaker of a module of `patch` is half-open.
  func isProbing(_ patch: BreakerPatch) -> Bool {
    breakers.all.contains { $0.key.patch == patch && $0.breaker.state == .halfOpen }
  }

  fileprivate func probeRules(of transaction: Transaction) -> BreakerRules {
    probeRules(of: transaction.changedModules)
  }
}
