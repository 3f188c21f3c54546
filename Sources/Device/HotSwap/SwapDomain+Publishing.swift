internal import CHitless
internal import Platform
package import Refusal

extension SwapDomain {
  /// Puts a view in force for every worker.
  ///
  /// Without a candidate, or with a share of flows below `HITLESS_SHARE_ALL`, batches that are not split by
  /// flow are stable's; with a full share they are the candidate's. Complexity: one store per worker.
  /// Nothing is allocated before the stores, so that a rollback cannot fail for want of memory.
  package func publish(
    stable: Generation, candidate: Generation? = nil, split: ViewSplit = .all, deadline: UInt64 = 0
  ) throws(Refusal) -> Publication {
    try state.withLock { (state) throws(Refusal) in
      try state.requireLive(stable)
      if let candidate { try state.requireLive(candidate) }
      let sequence = state.views.currentSequence + 1
      let view = unsafe state.views.issue(
        sequence: sequence, stable: stable, candidate: candidate, split: split, deadline: deadline)
      guard let view = unsafe view else {
        throw Refusal(.noSpace, "no memory for a view while a worker has not passed the old ones")
      }
      let start = MonotonicClock.now
      for worker in state.workers { unsafe worker.publish(view) }
      let end = MonotonicClock.now
      state.views.refill()
      return Publication(
        sequence: sequence, publishNanoseconds: end - start, startNanoseconds: start)
    }
  }

  /// Waits until no worker can touch a view before `publication`'s, for at most `timeout` nanoseconds.
  ///
  /// On success the memory of those views is free for later ones. When workers are overdue nothing is
  /// taken back; the same publication can be waited for again. Blocks, without holding a lock. A worker
  /// that registers meanwhile starts with a view that is not older, so it need not be waited for.
  package func waitForGrace(_ publication: Publication, timeout: UInt64) -> GraceOutcome {
    let workers = state.withLock { $0.workers }
    let deadline = MonotonicClock.now &+ timeout
    for worker in workers {
      guard Self.wait(until: deadline, for: { worker.hasPassed(publication.sequence) }) else {
        return overdue(workers, publication)
      }
    }
    return passed(publication)
  }

  private func passed(_ publication: Publication) -> GraceOutcome {
    let end = MonotonicClock.now
    state.withLock { $0.views.retire(before: publication.sequence) }
    return .passed(
      GracePeriod(
        sequence: publication.sequence, nanoseconds: end - publication.startNanoseconds))
  }

  /// Names the workers that have not passed, unless the last one has passed while it was looked at.
  private func overdue(_ workers: [WorkerRecord], _ publication: Publication) -> GraceOutcome {
    let late = workers.filter { !$0.hasPassed(publication.sequence) }
    let reports = zip(late, report(on: late)).filter { record, _ in
      !record.hasPassed(publication.sequence)
    }
    return reports.isEmpty ? passed(publication) : .overdue(reports.map(\.1))
  }
}

/// How much of the traffic is the candidate's, in parts of 65 536.
package struct ViewSplit: Equatable, Sendable {
  /// Everything.
  package static let all = ViewSplit()

  /// Flows, for hosts that split their batches by them.
  package let flows: UInt32
  /// Batches, for workers that run them with `hitless_run_batch`.
  package let batches: UInt32

  /// Larger parts count as all.
  package init(flows: UInt32 = HITLESS_SHARE_ALL, batches: UInt32 = HITLESS_SHARE_ALL) {
    self.flows = min(flows, HITLESS_SHARE_ALL)
    self.batches = min(batches, HITLESS_SHARE_ALL)
  }
}

extension SwapDomain.State {
  /// Throws unless `generation` may be published.
  func requireLive(_ generation: Generation) throws(Refusal) {
    guard generations.contains(where: { $0 === generation }) else {
      throw Refusal(.state, "generation \(generation.number) is not this domain's any more")
    }
  }
}
