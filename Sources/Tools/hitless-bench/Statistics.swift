/// Order statistics of a few numbers.
struct Sample {
  private let sorted: [Double]

  init(_ values: [Double]) {
    sorted = values.sorted()
  }

  var count: Int { sorted.count }
  var median: Double { quantile(0.5) }
  var minimum: Double { sorted.first ?? .nan }
  var maximum: Double { sorted.last ?? .nan }

  /// Without repetitions, the largest first.
  var descending: [Double] {
    sorted.reversed().reduce(into: []) { values, value in
      if values.last != value { values.append(value) }
    }
  }

  /// The share of the values that are above `limit`.
  func share(over limit: Double) -> Double {
    guard !sorted.isEmpty else { return .nan }
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] > limit { high = middle } else { low = middle + 1 }
    }
    return Double(sorted.count - low) / Double(sorted.count)
  }

  /// The smallest value that `share` of all do not exceed.
  func quantile(_ share: Double) -> Double {
    guard !sorted.isEmpty else { return .nan }
    let rank = (share * Double(sorted.count)).rounded(.up)
    return sorted[max(0, min(sorted.count - 1, Int(rank) - 1))]
  }
}

extension Double {
  /// Rounded to `places` digits after the point.
  func rounded(places: Int) -> Double {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    return (self * scale).rounded() / scale
  }

  /// With exactly `places` digits after the point.
  func text(_ places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    // As a whole number: a small one would be printed with an exponent.
    guard let whole = Int64(exactly: (self * scale).rounded()) else { return "–" }
    let digits = String(whole.magnitude)
    let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
    let point = places == 0 ? "" : "." + padded.suffix(places)
    return (whole < 0 ? "-" : "") + padded.dropLast(places) + point
  }
}
