extension HealthInput {
  /// Compares the candidate with stable.
  ///
  /// A pure function; it adds, multiplies, divides and takes square roots of IEEE doubles, which are the
  /// same on every machine. What is wrong counts before what is missing: a candidate that drops everything
  /// need not have run for long.
  package func verdict() -> HealthVerdict {
    if let field = thresholds.illegalField {
      return .inconclusive("threshold '\(field.name)' is outside of \(field.range)")
    }
    var gap: String?
    for comparison in comparisons {
      switch comparison {
      case .healthy: continue
      case .unhealthy: return comparison
      case .inconclusive(let reason): gap = gap ?? reason
      }
    }
    return gap.map { .inconclusive($0) } ?? .healthy
  }

  private var comparisons: [HealthVerdict] {
    let names = Self.merged(stable.counts.map(\.name), candidate.counts.map(\.name))
    let series = Self.merged(
      stable.samples.map(SeriesName.init), candidate.samples.map(SeriesName.init))
    var verdicts = series.map { compareSamples($0) }
    if !names.isEmpty || stable.packets != nil { verdicts.append(packets()) }
    verdicts += names.map { compareCounts($0) }
    return verdicts.isEmpty
      ? [.inconclusive("nothing was measured: workers run no guarded batches, and count nothing")]
      : verdicts
  }

  /// What either list has, in order.
  private static func merged<Name: Equatable>(_ first: [Name], _ second: [Name]) -> [Name] {
    first + second.filter { !first.contains($0) }
  }
}

/// One series of samples, on either side.
private struct SeriesName: Equatable {
  let name: String
  let unit: SampledValues.Unit

  init(_ series: SampledValues) {
    name = series.name
    unit = series.unit
  }
}

/// Counts: two proportions.
extension HealthInput {
  private func packets() -> HealthVerdict {
    let (before, after) = (stable.packets ?? 0, candidate.packets ?? 0)
    if before < thresholds.minimumPackets { return missing("stable", before, "packets") }
    if after < thresholds.minimumPackets && !isObservation {
      return missing("the candidate", after, "packets")
    }
    return .healthy
  }

  private func missing(_ side: String, _ count: UInt64, _ what: String) -> HealthVerdict {
    let needed = what == "packets" ? thresholds.minimumPackets : thresholds.minimumSamples
    return .inconclusive("\(side) has \(count) of \(needed) \(what)")
  }

  private func compareCounts(_ name: String) -> HealthVerdict {
    guard !isObservation else { return .healthy }
    guard let before = stable.count(name), let after = candidate.count(name),
      let kind = (stable.counts.first { $0.name == name })?.kind
    else { return .inconclusive("\(name): only one side counts it") }
    let (packetsBefore, packetsAfter) = (stable.packets ?? 0, candidate.packets ?? 0)
    // Of too few packets nothing is said here; `packets` has said so.
    guard packetsAfter >= thresholds.minimumPackets, packetsBefore >= thresholds.minimumPackets
    else { return .healthy }
    guard before <= packetsBefore, after <= packetsAfter else {
      return .inconclusive("\(name): more were counted than there were packets")
    }
    let old = Proportion(count: before, of: packetsBefore)
    let new = Proportion(count: after, of: packetsAfter)
    let floor = kind == .errors ? thresholds.errorFloorMicro : thresholds.rateFloorMicro
    if isFar(new, above: old, floor: floor) {
      return unhealthy(name, "\(new) of the candidate's packets, \(old) of stable's")
    }
    if kind == .drops && isFar(old, above: new, floor: floor) {
      return unhealthy(name, "only \(new) of the candidate's packets, \(old) of stable's")
    }
    return .healthy
  }

  private func unhealthy(_ subject: String, _ detail: String) -> HealthVerdict {
    .unhealthy(HealthFinding(subject: subject, detail: detail))
  }

  /// Whether `high` is above `low` by more than chance, and by so much, `micro` millionths, that it matters.
  private func isFar(_ high: Proportion, above low: Proportion, floor micro: UInt64) -> Bool {
    let floor = Double(micro) / 1_000_000
    let ratio = Double(thresholds.ratePermille) / 1000
    guard high.rate > low.rate * ratio, high.rate > low.rate + floor else { return false }
    return high.deviations(above: low) > neededDeviations
  }

  /// Standard errors that are needed, more the earlier the look: each look is one more chance to be wrong.
  ///
  /// The bounds of O'Brien and Fleming: with `t` of the time over, the final bound divided by the square root
  /// of `t`.
  private var neededDeviations: Double {
    Double(thresholds.deviationsMilli) / 1000 / progress.squareRoot()
  }

  /// How much of the step is over: from a twentieth to one.
  private var progress: Double {
    guard dwell > 0, elapsed < dwell else { return 1 }
    return max(0.05, Double(elapsed) / Double(dwell))
  }
}

/// Samples: quantiles, each with the bounds that its rank has by chance.
extension HealthInput {
  private func compareSamples(_ series: SeriesName) -> HealthVerdict {
    let before = stable.sampled(series.name, series.unit) ?? LogHistogram()
    let after = candidate.sampled(series.name, series.unit) ?? LogHistogram()
    let what = "samples of \(series.name)"
    if before.total < thresholds.minimumSamples { return missing("stable", before.total, what) }
    if isObservation { return .healthy }
    // Gauges and times alike: a candidate that was not seen at all has not been seen to be well.
    if after.total < thresholds.minimumSamples {
      return missing("the candidate", after.total, what)
    }
    guard let floor = floor(of: series.unit) else {
      return .inconclusive("\(series.name): the cycle counter does not count")
    }
    for share in [0.5, 0.95, 0.99] {
      if let finding = slower(series, before, after, at: share, floor: floor) {
        return .unhealthy(finding)
      }
    }
    return .healthy
  }

  /// What the candidate's quantile must be above stable's, in the units of the series.
  private func floor(of unit: SampledValues.Unit) -> Double? {
    switch unit {
    case .gauge: return Double(thresholds.gaugeFloor)
    case .batch, .slot:
      let warm = thresholds.timeFloorNanoseconds
      return units(Double(isCold ? max(warm, thresholds.coldFloorNanoseconds) : warm))
    }
  }

  /// Nanoseconds as 256ths of a tick; nil when the counter stands still.
  private func units(_ nanoseconds: Double) -> Double? {
    guard ticks > 0, tickNanoseconds > 0 else { return nil }
    return nanoseconds * 256 * Double(ticks) / Double(tickNanoseconds)
  }

  private func slower(
    _ series: SeriesName, _ before: LogHistogram, _ after: LogHistogram, at share: Double,
    floor: Double
  ) -> HealthFinding? {
    // The least that the candidate's quantile is, and the most that stable's is, by chance.
    guard let low = after.bound(share, deviations: -neededRanks),
      let high = before.bound(share, deviations: neededRanks)
    else { return nil }
    let permille = share == 0.5 ? thresholds.medianPermille : thresholds.tailPermille
    let limit = Double(high) * Double(permille) / 1000
    guard Double(low) > limit, Double(low) > Double(high) + floor else { return nil }
    let (old, new) = (before.quantile(share) ?? 0, after.quantile(share) ?? 0)
    return HealthFinding(
      subject: series.name,
      detail: "P\(Int(share * 100)) is \(describe(new, series.unit)), "
        + "stable's is \(describe(old, series.unit))")
  }

  /// Ranks differ less by chance than rates of what comes in bursts, hence half the standard errors.
  private var neededRanks: Double { neededDeviations / 2 }

  private func describe(_ value: UInt64, _ unit: SampledValues.Unit) -> String {
    guard unit != .gauge else { return "\(value)" }
    guard ticks > 0, tickNanoseconds > 0 else { return "\(value / 256) ticks" }
    let nanoseconds = Double(value) / 256 * Double(tickNanoseconds) / Double(ticks)
    // Far below what an integer holds: a value is below 2^44.
    let tenths = UInt64(min(nanoseconds * 10, 1e18))
    return "\(tenths / 10).\(tenths % 10) ns"
  }
}

extension LogHistogram {
  /// The quantile at `share`, moved by so many standard errors of its rank; nil without values.
  fileprivate func bound(_ share: Double, deviations: Double) -> UInt64? {
    let total = total
    guard total > 0 else { return nil }
    let error = (share * (1 - share) / Double(total)).squareRoot()
    let moved = share + deviations * error
    // Where chance reaches beyond the largest value there is no upper bound: the largest must do.
    return value(ofRank: Self.rank(min(1, max(0, moved)), of: total))
  }
}

/// So many of so many.
private struct Proportion: CustomStringConvertible {
  let count: UInt64
  let total: UInt64

  init(count: UInt64, of total: UInt64) {
    self.count = count
    self.total = total
  }

  var rate: Double { total > 0 ? Double(count) / Double(total) : 0 }

  /// How many standard errors this lies above another one, if both were one.
  func deviations(above other: Proportion) -> Double {
    let (here, there) = (Double(total), Double(other.total))
    guard here > 0, there > 0 else { return 0 }
    let pooled = (Double(count) + Double(other.count)) / (here + there)
    let error = (pooled * (1 - pooled) * (1 / here + 1 / there)).squareRoot()
    guard error > 0 else { return 0 }
    return (rate - other.rate) / error
  }

  /// Per million.
  var description: String {
    let micro = UInt64(min(rate, 1) * 1_000_000)
    return "\(count) in \(total) (\(micro) per million)"
  }
}
