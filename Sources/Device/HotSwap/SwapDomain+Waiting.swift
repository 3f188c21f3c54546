internal import CPlatform
internal import Glibc
internal import Platform

extension SwapDomain {
  /// How long a wait spins before it sleeps: some batches, so that a busy worker is met without a
  /// system call; little, so that a worker that needs this processor gets it.
  private static let spinNanoseconds: UInt64 = 30_000
  /// Longest sleep between two looks.
  private static let longestSleepNanoseconds: UInt64 = 1_000_000

  /// Waits until `isMet`; false when it is not by `deadline`.
  static func wait(until deadline: UInt64, for isMet: () -> Bool) -> Bool {
    var now = MonotonicClock.now
    let spinEnd = now &+ spinNanoseconds
    while now < spinEnd {
      for _ in 0..<32 {
        if isMet() { return true }
        hitless_shim_relax()
      }
      now = MonotonicClock.now
    }
    var sleep: UInt64 = 20_000
    while !isMet() {
      guard now < deadline else { return false }
      sleepNanoseconds(min(sleep, deadline - now))
      sleep = min(sleep * 2, longestSleepNanoseconds)
      now = MonotonicClock.now
    }
    return true
  }
}
