internal import CHitless
package import Guard
package import Platform
internal import Refusal

/// What a batch costs more than a direct call of its pipeline function, on this machine.
package struct BatchCost: Equatable, Sendable {
  /// Nanoseconds while there is no candidate.
  package let plain: UInt64
  /// Nanoseconds while there is one, and batches are guarded.
  package let guarded: UInt64

  private static let rounds = 20
  private static let batches: UInt64 = 500

  /// Measures with batches that do nothing, in a domain of its own; nil where that is not possible.
  ///
  /// Blocks for about a millisecond, on a thread of its own, because a worker's signal stack is set up for it. The
  /// least of some rounds, so that what else the machine does is not counted.
  package static func measure(
    _ options: GuardOptions, at placement: ThreadPlacement
  ) -> BatchCost? {
    let result = Guarded<BatchCost?>(nil)
    let thread = try? SystemThread.start("hitless-cost", at: placement) {
      let cost = try? measureHere(options)
      result.withLock { $0 = cost }
    }
    guard let thread else { return nil }
    thread.join()
    return result.withLock { $0 }
  }

  private static func measureHere(_ options: GuardOptions) throws(Refusal) -> BatchCost {
    let domain = SwapDomain(slotCount: 0, room: try GuardRoom(options))
    let stable = try domain.makeGeneration([])
    let candidate = try domain.makeGeneration([])
    _ = try domain.publish(stable: stable)
    let worker = unsafe try domain.registerWorker(name: "cost")
    let pipeline: hitless_pipeline = { _, _ in 0 }
    let view = unsafe hitless_enter(worker)
    let direct = least { unsafe _ = pipeline(view, nil) }
    let plain = least { unsafe _ = hitless_run_batch(worker, pipeline, nil) }
    _ = try domain.publish(stable: stable, candidate: candidate)
    let guarded = least { unsafe _ = hitless_run_batch(worker, pipeline, nil) }
    unsafe try domain.unregisterWorker(worker)
    return BatchCost(
      plain: plain > direct ? plain - direct : 0, guarded: guarded > direct ? guarded - direct : 0)
  }

  /// Nanoseconds of one `body`, in the fastest round.
  private static func least(_ body: () -> Void) -> UInt64 {
    var least = UInt64.max
    for _ in 0..<rounds {
      let start = MonotonicClock.now
      for _ in 0..<batches { body() }
      least = min(least, (MonotonicClock.now - start) / batches)
    }
    return least
  }
}
