package import Bytes

/// Durations in buckets of at most 1/16 of their value, from 1 ns to 2⁴⁰ ns.
package struct LatencyHistogram: Sendable {
  private static let steps = 16
  private var counts = [UInt64](repeating: 0, count: 41 * steps)
  /// How many durations were added.
  package private(set) var total: UInt64 = 0
  /// The longest.
  package private(set) var longest: UInt64 = 0

  /// Creates an empty histogram.
  package init() {}

  /// Adds one duration.
  package mutating func add(nanoseconds: UInt64) {
    counts[Self.bucket(nanoseconds)] += 1
    total += 1
    longest = max(longest, nanoseconds)
  }

  /// The upper end of the bucket that holds the given share of durations, 0 when there are none.
  package func quantile(_ share: Double) -> UInt64 {
    guard total > 0 else { return 0 }
    let wanted = max(1, UInt64((Double(total) * share).rounded(.up)))
    var sum: UInt64 = 0
    for (bucket, count) in counts.enumerated() {
      sum += count
      if sum >= wanted { return min(longest, Self.upperEnd(bucket)) }
    }
    return longest
  }

  /// The usual quantiles in microseconds.
  package var json: JSON {
    .object(
      [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)].map { name, share in
        (name, .number(Double(quantile(share)) / 1000))
      } + [("max", .number(Double(longest) / 1000)), ("count", .unsigned(total))])
  }

  private static func bucket(_ value: UInt64) -> Int {
    if value < UInt64(steps) { return Int(value) }
    let octave = 63 - value.leadingZeroBitCount  // at least 4
    let step = Int(value >> UInt64(octave - 4)) & (steps - 1)
    return min((octave - 3) * steps + step, 41 * steps - 1)
  }

  private static func upperEnd(_ bucket: Int) -> UInt64 {
    let octave = bucket / steps
    if octave == 0 { return UInt64(bucket) }
    return (UInt64(steps + bucket % steps + 1) << UInt64(octave - 1)) - 1
  }
}
