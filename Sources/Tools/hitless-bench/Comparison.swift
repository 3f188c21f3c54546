/// Two samples, one of which has what the other has and something more.
struct Comparison {
  private let sample: Sample
  private let control: Sample

  init(_ sample: Sample, against control: Sample) {
    self.sample = sample
    self.control = control
  }

  /// A share, and the interval that holds it with 95 % confidence.
  struct Share {
    let value: Double
    let low: Double
    let high: Double
  }

  /// How much larger the share of values above `limit` is than in the control.
  ///
  /// The interval is Newcombe's (1998, method 10): made of the two shares' Wilson intervals, it holds for
  /// rare events too.
  func excess(over limit: Double) -> Share {
    let (mine, theirs) = (Self.wilson(sample, limit), Self.wilson(control, limit))
    let difference = mine.value - theirs.value
    let below = Self.length(mine.value - mine.low, theirs.high - theirs.value)
    let above = Self.length(mine.high - mine.value, theirs.value - theirs.low)
    return Share(value: difference, low: difference - below, high: difference + above)
  }

  /// The smallest value that what the sample has more does not exceed more often than `1 - share`.
  ///
  /// Of the cases in which the control would have stayed below, the share that went above is due to what
  /// there is more (Abbott's formula). `end` picks the estimate or an end of its interval.
  func quantile(_ share: Double, _ end: KeyPath<Share, Double> = \.value) -> Double {
    var answer = sample.maximum
    for value in sample.descending {
      let corrected = excess(over: value)[keyPath: end] / (1 - control.share(over: value))
      guard corrected <= 1 - share else { break }
      answer = value
    }
    return answer
  }

  /// The share of values above `limit` (Wilson 1927).
  private static func wilson(_ sample: Sample, _ limit: Double) -> Share {
    guard sample.count > 0 else { return Share(value: .nan, low: .nan, high: .nan) }
    let z = 1.959964
    let (share, count) = (sample.share(over: limit), Double(sample.count))
    let scale = 1 + z * z / count
    let middle = (share + z * z / (2 * count)) / scale
    let half =
      z * (share * (1 - share) / count + z * z / (4 * count * count)).squareRoot() / scale
    return Share(value: share, low: middle - half, high: middle + half)
  }

  private static func length(_ a: Double, _ b: Double) -> Double { (a * a + b * b).squareRoot() }
}
