/// Lets a few through at once and then so many per second; for replies that an attacker can provoke.
struct RateLimiter {
  private let perSecond: UInt64
  private let burst: UInt64
  /// In billionths of one reply.
  private var credit: UInt64
  private var time: UInt64 = 0

  private static let unit: UInt64 = 1_000_000_000

  init(perSecond: UInt64, burst: UInt64) {
    self.perSecond = perSecond
    self.burst = burst
    credit = burst * Self.unit
  }

  /// Whether one more may pass at `now`, in nanoseconds of a clock that only goes forward.
  mutating func allows(at now: UInt64) -> Bool {
    let elapsed = now > time ? min(now - time, Self.unit * burst) : 0
    time = max(time, now)
    credit = min(credit + elapsed * perSecond, burst * Self.unit)
    guard credit >= Self.unit else { return false }
    credit -= Self.unit
    return true
  }
}
