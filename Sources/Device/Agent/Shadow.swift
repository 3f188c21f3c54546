internal import Guard
internal import Platform
internal import Probation

/// A candidate's time beside stable, on copies of live batches, before any worker has it.
struct Shadow: Sendable {
  let plan: ShadowPlan
  /// How it goes on when nothing has differed; nil: everywhere at once.
  let following: RolloutPlan?
  /// Whether it then gets only a few batches at first, because it has failed before.
  let isProbe: Bool
  /// Nanoseconds of CLOCK_MONOTONIC.
  let begin: UInt64
  /// When somebody looks at it again.
  var nextLook: UInt64
  /// What the last look has found, and what followed.
  var last: ShadowJudgement.Decision?
  /// Whether the candidate has gone on from here, forwards or back.
  var isOver = false
  let run: ShadowRun

  init(_ plan: ShadowPlan, then following: RolloutPlan?, isProbe: Bool, _ run: ShadowRun) {
    self.plan = plan
    self.following = following
    self.isProbe = isProbe
    self.run = run
    begin = MonotonicClock.now
    nextLook = begin &+ plan.nextLook(after: 0)
  }

  /// Nanoseconds from its beginning to `time`.
  func age(at time: UInt64) -> UInt64 { time > begin ? time - begin : 0 }

  /// What is to be decided at `time`.
  func judgement(at time: UInt64) -> ShadowJudgement {
    ShadowJudgement(plan, now: age(at: time), run.figures)
  }
}

/// The thread that runs copies, as others see it: what it has found, and whether it still uses the candidate.
///
/// Threading: any.
final class ShadowRun: Sendable {
  /// How many divergences are kept whole.
  static let keptLimit = 8
  /// How many kinds of outputs are told apart; the others are counted as one.
  static let kindLimit = 32
  /// What they are counted as.
  static let otherKind = "other"

  let area: ShadowArea
  private let state = Monitor(State())

  private struct State {
    var isStopping = false
    var hasEnded = false
    var figures = ShadowFigures()
    var kept: [ShadowReport] = []
    var stableFault: FaultReport?
  }

  init(_ area: ShadowArea) { self.area = area }

  /// What was found so far.
  var figures: ShadowFigures { state.withLock { $0.figures } }
  /// The first divergences.
  var kept: [ShadowReport] { state.withLock { $0.kept } }
  var isStopping: Bool { state.withLock { $0.isStopping } }
  /// The fault of stable after which no copy was run any more; nil when there was none, or its place is not known yet.
  var stableFault: FaultReport? { state.withLock { $0.stableFault } }
  /// Whether one more copy may be run: nobody has asked for the end, and stable has not faulted.
  var goesOn: Bool { state.withLock { !$0.isStopping && $0.figures.stableFaults == 0 } }

  /// Asks the thread to end with the copy that it is at.
  func stop() { state.withLock { $0.isStopping = true } }

  /// The thread uses neither generation any more.
  func end() { state.withLock { $0.hasEnded = true } }

  /// Returns when the thread uses neither generation any more: after `stop`, as soon as one run of each is over.
  func waitUntilEnded() {
    _ = state.wait(until: .after(.max)) { $0.hasEnded ? true : nil }
  }

  /// Waits for `nanoseconds`, or until the thread is asked to end; false then.
  func pause(_ nanoseconds: UInt64) -> Bool {
    state.wait(until: .after(nanoseconds)) { $0.isStopping ? true : nil } == nil
  }

  /// Stable has faulted on a copy: no other one is run, and every look says so from here on.
  func noteStableFault() { state.withLock { $0.figures.stableFaults += 1 } }

  /// Keeps what is known of the fault.
  func keep(_ report: FaultReport) { state.withLock { $0.stableFault = report } }

  /// Adds what was found in one more batch, or in none; returns the reports that are among the first.
  func add(compared: UInt64, skipped: UInt64, _ reports: [ShadowReport]) -> [ShadowReport] {
    state.withLock { state in
      state.figures.compared += compared
      state.figures.skipped += skipped
      state.figures.divergences += UInt64(reports.count)
      for report in reports { state.figures.count(report) }
      let new = Array(reports.prefix(max(0, Self.keptLimit - state.kept.count)))
      state.kept += new
      return new
    }
  }
}

extension ShadowFigures {
  /// Counts one divergence by what it is of.
  fileprivate mutating func count(_ report: ShadowReport) {
    let isNew = !kinds.contains { $0.module == report.module && $0.name == report.difference.name }
    let isTooMany = isNew && kinds.count >= ShadowRun.kindLimit
    let module = isTooMany ? ShadowRun.otherKind : report.module
    let name = isTooMany ? ShadowRun.otherKind : report.difference.name
    if let index = kinds.firstIndex(where: { $0.module == module && $0.name == name }) {
      kinds[index].count += 1
    } else {
      kinds.append(ShadowKind(module: module, name: name, count: 1))
    }
    kinds.sort { $0.count > $1.count }
  }
}
