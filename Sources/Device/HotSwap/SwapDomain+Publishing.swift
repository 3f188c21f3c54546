internal import CHitless
package import Guard
internal import Platform
package import Refusal

extension SwapDomain {
  /// Puts a view in force for every worker.
  ///
  /// `placement` says where the candidate serves; views that differ for that have one sequence, and a worker that
  /// registers later gets the one that is for it. While it is in force, stable's batches are copied to `shadow` as it
  /// says; its memory goes with the view. Complexity: one store per worker.
  /// Nothing is allocated before the stores, so that a rollback cannot fail for want of memory. `states` is what
  /// views have of the state tables from here on; nil: what they had.
  package func publish(
    stable: Generation, candidate: Generation? = nil, placement: Placement = .everywhere,
    deadline: UInt64 = 0, shadow: ShadowArea? = nil, states: ViewStates? = nil
  ) throws(Refusal) -> Publication {
    try state.withLock { (state) throws(Refusal) in
      try state.requireLive(stable)
      if let candidate { try state.requireLive(candidate) }
      let sequence = state.views.currentSequence + 1
      let seats = candidate == nil ? Seats.all : state.seats(of: placement)
      let before = state.views.states
      if let states { state.views.states = states }
      let isIssued = state.views.issue(
        sequence: sequence, stable: stable, candidate: candidate, seats: seats, deadline: deadline,
        shadow: shadow)
      guard isIssued else {
        state.views.states = before
        throw Refusal(.noSpace, "no memory for a view while a worker has not passed the old ones")
      }
      let start = MonotonicClock.now
      state.publishViews()
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
    // Who is in a batch of a candidate that has gone is still guarded: in a loop nobody else would end it.
    room?.beginWait(for: publication.sequence)
    let workers = state.withLock { $0.workers }
    let deadline = MonotonicClock.now &+ timeout
    for worker in workers {
      if wait(for: worker, publication, until: deadline) { continue }
      return overdue(workers, publication)
    }
    return passed(publication)
  }

  /// How long a worker may take before it is asked whether its thread is still there: some hundred batches.
  private static let doubtNanoseconds: UInt64 = 5_000_000

  /// Waits until the worker has passed or has been ended because its thread has; false at the deadline.
  private func wait(
    for worker: WorkerRecord, _ publication: Publication, until deadline: UInt64
  ) -> Bool {
    let doubt = min(deadline, MonotonicClock.now &+ Self.doubtNanoseconds)
    if Self.wait(until: doubt, for: { worker.hasPassed(publication.sequence) }) { return true }
    if endWithoutThread(worker) { return true }
    if Self.wait(until: deadline, for: { worker.hasPassed(publication.sequence) }) { return true }
    return endWithoutThread(worker)
  }

  private func passed(_ publication: Publication) -> GraceOutcome {
    let end = MonotonicClock.now
    state.withLock { $0.views.retire(before: publication.sequence) }
    room?.endWait(for: publication.sequence)
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

extension SwapDomain.State {
  /// Gives each worker its view of those in force.
  func publishViews() {
    for worker in workers {
      guard let view = unsafe views.view(forWorker: worker.index) else { continue }
      unsafe worker.publish(view)
    }
  }

  /// Which workers have how much of the candidate.
  func seats(of placement: Placement) -> Seats {
    switch placement {
    case .everywhere: return .all
    case .nowhere: return Seats(split: .none, limit: .max)
    case .batches(let share): return Seats(split: ViewSplit(batches: share), limit: .max)
    case .flows(let share): return Seats(split: ViewSplit(flows: share), limit: .max)
    case .workers(let count):
      let indices = workers.map(\.index).sorted()
      guard count > 0 else { return Seats(split: .none, limit: .max) }
      guard count > indices.count else { return Seats(split: .all, limit: indices[count - 1] + 1) }
      // Those that are still to come make up the number.
      let first = indices.last.map { $0 + 1 } ?? 0
      return Seats(split: .all, limit: first + UInt32(clamping: count - indices.count))
    }
  }

  /// Throws unless `generation` may be published.
  func requireLive(_ generation: Generation) throws(Refusal) {
    guard generations.contains(where: { $0 === generation }) else {
      throw Refusal(.state, "generation \(generation.number) is not this domain's any more")
    }
  }
}
