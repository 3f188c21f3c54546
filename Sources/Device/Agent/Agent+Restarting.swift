internal import AgentControl
internal import Bytes
internal import Digests
internal import Journal
internal import Platform
internal import Refusal

/// What the end of the last run means for this one.
extension Agent {
  /// Says how the run before ended, starts the set before the confirmed one when that has ended its host too
  /// often, and begins a run of its own.
  ///
  /// Nothing of this keeps a host from starting: what cannot be written is said, as far as that can be.
  func judgeLastRun() {
    let now = Moment.now
    if let known = state.withLock({ $0.lastRun }) {
      // The second try of a start that was refused: everything about the last run is said.
      return beginRun(at: now, deaths: known.deaths)
    }
    var rule = BootLoopRule()
    rule.window = options.earlyEndWindow
    rule.limit = options.earlyEndLimit
    var last = journal.lastRun(at: now, rule: rule)
    noteTrial(last)
    if last.ending == .died && last.trial == nil { noteDeath(last) }
    if last.givesUp && fallBack(after: last) { last.deaths = 0 }
    state.withLock { $0.lastRun = last }
    beginRun(at: now, deaths: last.deaths)
  }

  private func beginRun(at now: Moment, deaths: UInt64) {
    do throws(Refusal) {
      try journal.beginRun(at: now, deaths: deaths)
      // What a crash between the storing of objects and the set that names them has left.
      try journal.collect(keeping: [])
    } catch {
      options.log(4, "\(options.instance): the state directory takes no writes: \(error)")
    }
  }

  private func noteTrial(_ last: LastRun) {
    guard let trial = last.trial else { return }
    let reason = last.ending == .closed ? RollbackReason.closed : .crash
    state.withLock { state in
      state.counters.rollbacks += 1
      state.metrics.count(.rolledBack)
      state.metrics.countRollback(of: trial.modules, reason)
    }
    let end = last.ending == .closed ? "was closed before it was confirmed" : "ended while it ran"
    note(
      "rolled-back", trial.transaction, "the host \(end)",
      [
        ("elapsed_ns", json(last.elapsed)), ("reason", .string(reason.rawValue)),
      ])
    if last.ending == .died { holdBack(trial) }
  }

  /// Opens the breakers of a candidate whose host has died: nobody can say that it was not the candidate.
  ///
  /// They are on the device before the record of the run that died is replaced, so that a host that dies here, too,
  /// forgets nothing; it then counts the death twice, unless the first wait is still on.
  private func holdBack(_ trial: Trial) {
    let opened = noteFailure(.crash, of: nil, trial.patch, trial.modules)
    reportOpening(of: opened, .crash, trial.transaction)
  }

  private func noteDeath(_ last: LastRun) {
    let number = journal.confirmed.number
    let count = "early end \(last.deaths) of \(max(1, options.earlyEndLimit)) in a row"
    let outcome =
      !last.isEarly ? "not an early end" : number == 0 ? "nothing was confirmed" : count
    note(
      "died", 0, "the host ended without closing, on set \(number): \(outcome)",
      [
        ("confirmed", .unsigned(number)), ("early", .bool(last.isEarly)),
        ("deaths", .unsigned(last.deaths)), ("elapsed_ns", json(last.elapsed)),
      ])
  }

  /// Makes the set before the confirmed one the confirmed one; false when that cannot be.
  private func fallBack(after last: LastRun) -> Bool {
    let number = journal.confirmed.number
    note(
      "falling-back", 0, "set \(number) has ended its host \(last.deaths) times in a row",
      [("confirmed", .unsigned(number))])
    let problem: Refusal?
    do throws(Refusal) {
      try giveUpConfirmed()
      problem = nil
    } catch {
      problem = error
    }
    let set = journal.confirmed
    guard let abandoned = set.abandoned, abandoned.number == number else {
      note("fallback-failed", 0, "set \(number) is started once more: \(problem?.message ?? "")")
      return false
    }
    state.withLock { $0.metrics.countRollback(of: [], .bootLoop) }
    let patch = abandoned.patch?.hex
    note(
      "fell-back", 0,
      "the set before set \(number) is started, as set \(set.number)"
        + (problem.map { ", not on the device yet: \($0)" } ?? ""),
      [
        ("confirmed", .unsigned(set.number)), ("abandoned", .unsigned(number)),
        ("patch", patch.map { .string($0) } ?? .null),
      ])
    return true
  }

  /// Makes the set before the confirmed one the confirmed one.
  ///
  /// Throws as `Journal.fallBack` does, which is asked twice: that the set before could not be read may have been for
  /// a moment.
  func giveUpConfirmed() throws(Refusal) {
    let given = journal.confirmed.number
    do throws(Refusal) {
      _ = try journal.fallBack()
    } catch {
      guard journal.confirmed.number == given else { throw error }
      _ = try journal.fallBack()
    }
  }

  private func json(_ nanoseconds: UInt64?) -> JSON { nanoseconds.map { .unsigned($0) } ?? .null }
}

/// When a candidate is in force and not confirmed: what a crash is then put down to.
extension Agent {
  /// Runs what puts a candidate in force; when it fails, none is.
  func onTrial<Value>(_ body: () throws(Refusal) -> Value) throws(Refusal) -> Value {
    do throws(Refusal) {
      return try body()
    } catch {
      endTrial(journal.trialCount)
      throw error
    }
  }

  /// Writes down that the trial is over; else the next start would take it for rolled back by a crash, which
  /// is no harm.
  func endTrial(_ count: UInt64) {
    do throws(Refusal) {
      try journal.endTrial(count)
    } catch {
      guard !state.withLock({ $0.isClosed }) else { return }
      options.log(4, "\(options.instance): the state directory takes no writes: \(error)")
    }
  }
}

extension LastRun {
  /// The end of the last run as the control socket carries it.
  var cbor: CBOR {
    .named([
      "ending": .text(name), "early": .bool(isEarly), "deaths": .unsigned(deaths),
      "trial": trial.map { .unsigned($0.transaction) } ?? .null,
      "elapsed_ns": elapsed.map { .unsigned($0) } ?? .null,
    ])
  }

  private var name: String {
    switch ending {
    case .unknown: "unknown"
    case .closed: "closed"
    case .died: "died"
    }
  }
}

extension AbandonedSet {
  /// The set as the control socket carries it.
  var cbor: CBOR {
    .named(["number": .unsigned(number), "patch": patch.map { .bytes($0.bytes) } ?? .null])
  }
}
