/// How often values of which size were seen; buckets grow with the values.
///
/// Values below 16 have a bucket each, every doubling above has sixteen: a quantile is off by a sixteenth
/// at most. The numbers are those of `hitless_bucket` in hitless/health.h.
package struct LogHistogram: Equatable, Sendable {
  /// Buckets there are.
  package static let bucketCount = 656
  /// Buckets per doubling.
  static let perDoubling: UInt64 = 16

  /// How many values, by bucket; only those that have any.
  package private(set) var counts: [Int: UInt64] = [:]

  /// An empty histogram.
  package init() {}

  /// The bucket of a value.
  package static func bucket(of value: UInt64) -> Int {
    guard value >= perDoubling else { return Int(value) }
    let exponent = 63 - value.leadingZeroBitCount
    let index = (exponent - 3) * 16 + Int(value >> UInt64(exponent - 4) & 15)
    return min(index, bucketCount - 1)
  }

  /// The smallest value of a bucket.
  package static func lowest(of bucket: Int) -> UInt64 {
    let index = UInt64(max(0, min(bucket, bucketCount - 1)))
    guard index >= perDoubling else { return index }
    return (16 + index % 16) << (index / 16 - 1)
  }

  /// Counts `count` values of one bucket; what is no bucket is not counted.
  package mutating func add(_ count: UInt64, toBucket bucket: Int) {
    guard (0..<Self.bucketCount).contains(bucket), count > 0 else { return }
    counts[bucket, default: 0] = (counts[bucket] ?? 0).addingSaturating(count)
  }

  /// How many values there are.
  package var total: UInt64 {
    counts.values.reduce(0) { $0.addingSaturating($1) }
  }

  /// The smallest value of the bucket that holds the value of rank `rank`, from 1; nil without values.
  ///
  /// Ranks beyond the ends are the ends.
  package func value(ofRank rank: UInt64) -> UInt64? {
    var below: UInt64 = 0
    var last: Int?
    for bucket in counts.keys.sorted() {
      last = bucket
      below = below.addingSaturating(counts[bucket] ?? 0)
      if below >= rank { break }
    }
    return last.map(Self.lowest(of:))
  }

  /// The value below which `share` of the values lie; nil without values.
  package func quantile(_ share: Double) -> UInt64? {
    value(ofRank: Self.rank(share, of: total))
  }

  /// The rank at `share` of `total` values, from 1 to `total`.
  static func rank(_ share: Double, of total: UInt64) -> UInt64 {
    guard share > 0 else { return 1 }
    let rank = (share * Double(total)).rounded(.up)
    guard rank < Double(total) else { return max(1, total) }
    return max(1, UInt64(rank))
  }

  /// The same values in buckets that are 2 to the power of `levels` times as wide.
  package func coarsened(by levels: Int) -> LogHistogram {
    var coarse = LogHistogram()
    for (bucket, count) in counts { coarse.add(count, toBucket: (bucket >> levels) << levels) }
    return coarse
  }
}

extension UInt64 {
  /// The sum, or the largest number.
  func addingSaturating(_ other: UInt64) -> UInt64 {
    let (sum, isOver) = addingReportingOverflow(other)
    return isOver ? .max : sum
  }
}
