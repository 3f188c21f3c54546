import CHitless
import CSwapTestSupport
import Glibc
import HotSwap
import Platform
import Testing

/// A reader and a swapper on two processors, with retired memory poisoned.
///
/// `HITLESS_STRESS_SWAPS` sets how many swaps the right protocols have to survive.
@Suite("Views and grace periods under stress", .serialized)
struct StressTests {
  static let swapCount =
    environmentCount("HITLESS_STRESS_SWAPS") ?? (swap_thread_sanitizer() == 1 ? 10_000 : 500_000)
  /// A wrong protocol that is not found out by then is not found out "at once".
  static let wrongSwapLimit: UInt64 = 20_000_000

  @Test(arguments: [StressProtocol.sequence, .idle])
  func `no view is taken back while a reader uses it`(kind: StressProtocol) throws {
    let outcome = try swapUnderStress(kind, count: Self.swapCount)
    #expect(outcome.poisoned == 0)
    #expect(outcome.swaps == Self.swapCount)
    #expect(outcome.changes > 1, "the reader has seen swaps")
    print("stress: \(kind): \(outcome)")
  }

  /// The same with nothing between the store of the word and the load of what the reader says: the pair
  /// of accesses that needs one total order.
  @Test(arguments: [StressProtocol.sequence, .idle])
  func `no view is taken back by an agent that looks at once`(kind: StressProtocol) throws {
    let outcome = try swapUnderStress(kind, count: 5 * Self.swapCount, usesTightAgent: true)
    #expect(outcome.poisoned == 0)
    #expect(outcome.swaps == 5 * Self.swapCount)
    #expect(outcome.changes > 1, "the reader has seen swaps")
    print("stress: \(kind), agent in C: \(outcome)")
  }

  /// The probe of the tests above: each of these mistakes is found out by the same reader.
  @Test(
    .enabled(if: swap_thread_sanitizer() == 0, "the sanitizer reports these before they bite"),
    .enabled(if: processorCount > 1, "what is late must be late on another processor"),
    arguments: [StressProtocol.secondLoad, .tick, .pointer, .weakResume])
  func `a wrong protocol is found out`(kind: StressProtocol) throws {
    let outcome = try swapUnderStress(
      kind, count: Self.wrongSwapLimit, usesTightAgent: kind.needsTightAgent)
    #expect(outcome.poisoned > 0)
    print("stress: \(kind), wrong on purpose: \(outcome)")
  }
}

/// How many swaps a run made, and what the reader met.
struct StressOutcome: CustomStringConvertible, Sendable {
  let swaps: UInt64
  let batches: UInt64
  let changes: UInt64
  let poisoned: UInt64
  let milliseconds: UInt64

  var description: String {
    "\(swaps) swaps in \(milliseconds) ms, \(batches) batches, \(changes) changes seen, "
      + "\(poisoned) early retirements"
  }
}

/// Swaps between two generations until `count` or, for the wrong protocols, until the first failure.
private func swapUnderStress(
  _ kind: StressProtocol, count: UInt64, usesTightAgent: Bool = false
) throws -> StressOutcome {
  let domain = SwapDomain(slotCount: 0, poisonsRetiredMemory: true)
  let generations = [try domain.makeGeneration([]), try domain.makeGeneration([])]
  _ = try domain.publish(stable: generations[0])
  let reader = try StressReader(in: domain, kind, usesTightAgent: usesTightAgent)
  let swaps = Guarded<Result<UInt64, any Error>>(.success(0))
  let start = nanoseconds()
  let swapper = try #require(
    PinnedThread(onProcessor: 0) {
      let result = Result<UInt64, any Error> {
        if usesTightAgent { return reader.runTightAgent(count: count) }
        return try swap(
          domain, generations, count: count
        ) { kind.isWrong && reader.poisoned > 0 }
      }
      swaps.withLock { $0 = result }
    })
  swapper.join()
  let end = nanoseconds()
  try reader.stop()
  return StressOutcome(
    swaps: try swaps.withLock { try $0.get() }, batches: reader.batches, changes: reader.changes,
    poisoned: reader.poisoned, milliseconds: (end - start) / 1_000_000)
}

private func swap(
  _ domain: SwapDomain, _ generations: [Generation], count: UInt64, until isOver: () -> Bool
) throws -> UInt64 {
  for index in 0..<count {
    if isOver() { return index }
    // Often before the worker has fetched anything: what is announced goes away under it.
    if index % 5 == 0 { try domain.announce(generations[Int(index & 1)], timeout: 0) }
    // Every third publication is followed by another one before the wait: rollbacks come like that.
    var publication = try domain.publish(
      stable: generations[Int(index & 1)], candidate: generations[Int(~index & 1)])
    if index % 3 == 0 { publication = try domain.publish(stable: generations[Int(index & 1)]) }
    guard case .passed = domain.waitForGrace(publication, timeout: 10_000_000_000) else {
      throw StressTimeout()
    }
  }
  return count
}

/// How many processors this process may use.
let processorCount = sysconf(Int32(_SC_NPROCESSORS_ONLN))

private struct StressTimeout: Error {}

private func nanoseconds() -> UInt64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private func environmentCount(_ name: String) -> UInt64? {
  // SAFETY: the tests change no environment variable; the string is copied at once.
  unsafe getenv(name).flatMap { UInt64(unsafe String(cString: $0)) }
}
