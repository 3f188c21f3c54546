internal import HotSwap
internal import Glibc
internal import Platform
internal import Refusal

/// A thread that swaps between two generations, as long as it is let.
///
/// Threading: `begin`, `pause` and `stop` belong to one thread.
final class Swapper: Sendable {
  private enum Order { case wait, swap, stop }

  private struct State {
    var order = Order.wait
    var isSwapping = false
    var swaps: UInt64 = 0
    var failure: Refusal?
    var hasEnded = false
  }

  private let state = Guarded(State())

  /// Starts the thread, which waits for `begin`.
  init(
    _ domain: SwapDomain, _ generations: [Generation], every interval: UInt64,
    onProcessor processor: Int32
  ) throws(Refusal) {
    do throws(SystemError) {
      try SystemThread.start("bench-agent") { [self] in
        do throws(Refusal) {
          try pin(to: processor)
          try run(domain, generations, every: interval)
        } catch {
          state.withLock { $0.failure = error }
        }
        state.withLock { $0.hasEnded = true }
      }.detach()
    } catch {
      throw error.refusal
    }
  }

  /// Lets it swap.
  func begin() { state.withLock { $0.order = .swap } }

  /// Waits until it does not swap any more.
  func pause() {
    state.withLock { $0.order = .wait }
    while state.withLock({ $0.isSwapping && !$0.hasEnded }) { usleep(50) }
  }

  /// Ends the thread and returns how often it has swapped.
  func stop() throws(Refusal) -> UInt64 {
    state.withLock { $0.order = .stop }
    while !state.withLock({ $0.hasEnded }) { usleep(50) }
    let end = state.withLock { $0 }
    if let failure = end.failure { throw failure }
    return end.swaps
  }

  private func run(
    _ domain: SwapDomain, _ generations: [Generation], every interval: UInt64
  ) throws(Refusal) {
    while true {
      let order = state.withLock { state in
        state.isSwapping = state.order == .swap
        return state.order
      }
      switch order {
      case .stop: return
      case .wait: usleep(100)
      case .swap:
        let count = state.withLock { state in
          state.swaps += 1
          return state.swaps
        }
        let publication = try domain.publish(stable: generations[Int(count % 2)])
        guard case .passed = domain.waitForGrace(publication, timeout: 1_000_000_000) else {
          throw Refusal(.state, "the worker has not passed a swap within a second")
        }
        let rest = Int64(publication.startNanoseconds + interval) - Int64(MonotonicClock.now)
        if rest > 0 { usleep(UInt32(rest / 1000)) }
      }
    }
  }
}
