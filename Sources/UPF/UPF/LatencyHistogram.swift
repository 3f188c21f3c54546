/// Buckets for times in nanoseconds: sixteen to every power of two, so a value is known to 6 %.
package enum LatencyHistogram {
  /// How many buckets cover all 64-bit values.
  package static let bucketCount = 16 + 60 * 16

  /// The bucket of `value`.
  @inline(__always)
  package static func bucket(of value: UInt64) -> Int {
    guard value >= 16 else { return Int(value) }
    let exponent = 63 - value.leadingZeroBitCount
    return (exponent - 3) * 16 + Int(value >> UInt64(exponent - 4) & 15)
  }

  /// The smallest value of a bucket.
  package static func lowerBound(of bucket: Int) -> UInt64 {
    guard bucket >= 16 else { return UInt64(bucket) }
    return UInt64(16 + bucket % 16) << UInt64(bucket / 16 - 1)
  }

  /// The smallest value that at least `share` of `counts` do not exceed, to the bucket's resolution.
  package static func percentile(_ share: Double, of counts: [UInt64]) -> UInt64 {
    let total = counts.reduce(0, +)
    guard total > 0 else { return 0 }
    let wanted = max(1, UInt64((Double(total) * share).rounded(.up)))
    var seen: UInt64 = 0
    for (bucket, count) in counts.enumerated() {
      seen += count
      if seen >= wanted { return lowerBound(of: bucket) }
    }
    return lowerBound(of: counts.count - 1)
  }
}
