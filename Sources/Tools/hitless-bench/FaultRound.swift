internal import CHitless
internal import CPathBench
internal import Guard
internal import HotSwap
internal import Refusal

/// One time in force of a candidate that fails on all workers at the same moment.
struct FaultRound: Sendable {
  let kind: FaultKind
  let stage: FaultStage
  let candidate: Generation
  let modules: PathModules
  /// The other worker, if there is one.
  let partner: FaultPartner?

  /// Batches that go well before one that does not, so that caches are as they are at work.
  static let batchesBefore: UInt64 = 200

  /// Fails on the calling thread, which is `worker`'s, and on the partner's.
  ///
  /// Returns what each has taken, in nanoseconds. Nothing when one came so late that it found the candidate gone, or
  /// was stopped for so long that it was late in a batch that was to fault, or in one before it.
  func run(
    _ worker: UnsafeMutablePointer<hitless_worker>, _ state: PathState
  ) throws(Refusal) -> [Double] {
    // The worker that left it the last time has opened it.
    candidate.breaker.close()
    let publication = try stage.publish(
      candidate, above: modules.generations[0], in: modules.domain)
    partner?.begin(kind)
    unsafe modules.driver.pointee.run_batches(state.pointer, worker, Self.batchesBefore)
    _ = modules.domain.waitForGrace(publication, timeout: 1_000_000_000)
    var times = [unsafe path_fail(state.pointer, worker, kind.number, partner?.meeting)]
    if let partner { times.append(try partner.finish()) }
    let faults = answer()
    let failed = times.filter { $0 > 0 }.count
    let wasLate = faults.contains { $0.reason.name == FaultKind.loop.cause }
    guard failed > 0 && faults.count == failed || wasLate else {
      throw Refusal(
        .integrity, "a batch that was to fail was not run again",
        expected: "\(kind.rawValue) on \(times.count)",
        found: "\(failed), reported \(faults.map(\.reason.name))")
    }
    try state.expectNothingLost()
    guard failed == times.count, faults.count == failed,
      faults.allSatisfy({ $0.reason.name == kind.cause })
    else {
      return []
    }
    return kind == .loop
      ? faults.map { Double($0.nanosecondsToStable) } : times.map { Double($0) }
  }

  /// Answers for all faults that there are.
  private func answer() -> [GuardFault] {
    var faults: [GuardFault] = []
    while modules.room.hasFault(of: candidate.number), let fault = modules.room.answerFault() {
      faults.append(fault)
    }
    return faults
  }
}

extension PathState {
  /// Throws when a packet is in no book, or a batch has met two builds.
  func expectNothingLost() throws(Refusal) {
    guard lost == 0, mixed == 0 else {
      throw Refusal(
        .integrity, "a fault has cost packets", expected: "0 lost, 0 mixed",
        found: "\(lost) lost, \(mixed) mixed")
    }
  }
}
