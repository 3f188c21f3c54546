internal import Platform
package import Refusal

extension SwapDomain {
  /// Lets every worker fetch what it needs first of `next`, a few lines per batch, before `next` is
  /// published.
  ///
  /// Nothing of `next` is in force afterwards: the view is the one before, with addresses in it. Without
  /// this the first batch through new code waits for memory line after line, which is nearly all that
  /// a swap costs a worker. Waits at most `timeout` nanoseconds; whoever publishes afterwards does so
  /// whether or not all workers were ready, which is what this returns. Blocks, without holding a lock.
  @discardableResult
  package func announce(_ next: Generation, timeout: UInt64) throws(Refusal) -> Bool {
    let (sequence, workers) = try state.withLock { (state) throws(Refusal) in
      try state.requireLive(next)
      guard let current = state.views.serving else {
        throw Refusal(.state, "no generation is in force yet: there is nothing to announce to")
      }
      guard let lines = UpcomingLines(of: next, after: current) else {
        throw Refusal(.noSpace, "no memory to announce generation \(next.number)")
      }
      let sequence = state.views.currentSequence + 1
      guard state.views.issue(sequence: sequence, announcing: lines) else {
        throw Refusal(.noSpace, "no memory for a view while a worker has not passed the old ones")
      }
      state.publishViews()
      state.views.refill()
      return (sequence, state.workers)
    }
    let deadline = MonotonicClock.now &+ timeout
    return workers.allSatisfy { worker in
      Self.wait(until: deadline) { worker.isReady(sequence) }
    }
  }
}
