/// When two sides are taken to be different, and how much must have been seen of each.
///
/// Whole numbers throughout, so that what the audit log holds is exactly what was decided with.
/// docs/operations.md argues the defaults.
package struct HealthThresholds: Equatable, Sendable {
  /// Packets that each side must have had.
  package var minimumPackets: UInt64 = 1000
  /// Samples that each side must have of every time and gauge.
  package var minimumSamples: UInt64 = 200
  /// Standard errors, in thousandths, that two rates must lie apart.
  package var deviationsMilli: UInt64 = 5000
  /// How many thousandths of the lower rate the higher one must be at least.
  package var ratePermille: UInt64 = 1250
  /// How many millionths it must lie above it, as well.
  package var rateFloorMicro: UInt64 = 1000
  /// The same for errors, of which a module without a fault has none.
  package var errorFloorMicro: UInt64 = 10
  /// How many thousandths of stable's median the candidate's must be at least.
  package var medianPermille: UInt64 = 1250
  /// The same for the 95th and the 99th percentile.
  package var tailPermille: UInt64 = 1500
  /// How many nanoseconds a time must lie above stable's, as well.
  package var timeFloorNanoseconds: UInt64 = 250
  /// The same while the candidate has so little that its code is out of the caches when its turn comes.
  package var coldFloorNanoseconds: UInt64 = 1500
  /// The same for gauges, in their own unit.
  package var gaugeFloor: UInt64 = 4

  /// The defaults.
  package init() {}

  /// One threshold by the name it has in options, requests and the audit log.
  package struct Field: Sendable {
    package let name: String
    package let path: any WritableKeyPath<HealthThresholds, UInt64> & Sendable
    /// What values make sense.
    package let range: ClosedRange<UInt64>
  }

  /// Every threshold there is.
  package static let fields: [Field] = [
    Field(name: "min-packets", path: \.minimumPackets, range: 1...limit),
    Field(name: "min-samples", path: \.minimumSamples, range: 20...limit),
    Field(name: "deviations-milli", path: \.deviationsMilli, range: 1000...1_000_000),
    Field(name: "rate-permille", path: \.ratePermille, range: 1000...limit),
    Field(name: "rate-floor-micro", path: \.rateFloorMicro, range: 0...1_000_000),
    Field(name: "error-floor-micro", path: \.errorFloorMicro, range: 0...1_000_000),
    Field(name: "median-permille", path: \.medianPermille, range: 1000...limit),
    Field(name: "tail-permille", path: \.tailPermille, range: 1000...limit),
    Field(name: "time-floor-ns", path: \.timeFloorNanoseconds, range: 0...limit),
    Field(name: "cold-floor-ns", path: \.coldFloorNanoseconds, range: 0...limit),
    Field(name: "gauge-floor", path: \.gaugeFloor, range: 0...limit),
  ]

  /// Far below where arithmetic on these would lose digits.
  private static let limit: UInt64 = 1 << 40

  /// The threshold whose value makes no sense, if one does not.
  package var illegalField: Field? {
    Self.fields.first { !$0.range.contains(self[keyPath: $0.path]) }
  }
}
