internal import AgentControl
internal import Bytes
internal import Platform
internal import Probation
internal import Staging

extension Agent {
  /// What both sides of a rollout have done since its step began, for `list` and `watch`; nil when none is under
  /// way.
  func healthListing() -> CBOR? {
    let found = state.withLock { state in
      state.transaction.flatMap { transaction in
        transaction.state == .active
          ? transaction.rollout.flatMap { rollout in
            state.running.map { ($0.domain, rollout, state.signals, state.slots) }
          } : nil
      }
    }
    guard let (domain, rollout, signals, slots) = found else { return nil }
    return rollout.judgement(
      reading(domain), signals: signals, slots: slots.map(\.requirement.name)
    ).input.cbor
  }
}

extension HealthInput {
  /// Both sides, figure by figure, as the control socket carries them.
  fileprivate var cbor: CBOR {
    .named([
      "packets": pair(stable.packets, candidate.packets),
      "counts": .array(
        stable.counts.map { count in
          let other = candidate.counts.first { $0.name == count.name }
          return .named([
            "name": .text(count.name), "kind": .text(count.kind.name),
            "stable": .unsigned(count.count), "candidate": .unsigned(other?.count ?? 0),
          ])
        }),
      "samples": .array(
        stable.samples.map { series in
          let other = candidate.samples.first { $0.name == series.name && $0.unit == series.unit }
          return describe(series, other?.values ?? LogHistogram())
        }),
    ])
  }

  private func pair(_ stable: UInt64?, _ candidate: UInt64?) -> CBOR {
    .named([
      "stable": stable.map { .unsigned($0) } ?? .null,
      "candidate": candidate.map { .unsigned($0) } ?? .null,
    ])
  }

  private func describe(_ series: SampledValues, _ candidate: LogHistogram) -> CBOR {
    let (old, new) = (doublings(series.values), doublings(candidate))
    return .named([
      "name": .text(series.name), "of": .text(series.unit.rawValue),
      "unit": .text(series.unit == .gauge ? "" : "ns"),
      "stable": quantiles(series.values, series.unit),
      "candidate": quantiles(candidate, series.unit),
      "histogram": .array(
        Set(old.keys).union(new.keys).sorted().map { bucket in
          let lowest = value(LogHistogram.lowest(of: bucket), series.unit)
          return .array([
            .unsigned(lowest), .unsigned(old[bucket] ?? 0), .unsigned(new[bucket] ?? 0),
          ])
        }),
    ])
  }

  private func quantiles(_ values: LogHistogram, _ unit: SampledValues.Unit) -> CBOR {
    func at(_ share: Double) -> CBOR {
      values.quantile(share).map { .unsigned(value($0, unit)) } ?? .null
    }
    return .named([
      "count": .unsigned(values.total), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99),
    ])
  }

  /// Values in buckets of half a doubling: few enough for a picture.
  private func doublings(_ values: LogHistogram) -> [Int: UInt64] {
    values.coarsened(by: 3).counts
  }

  /// A sampled value in the unit that it is shown in: times in nanoseconds.
  private func value(_ raw: UInt64, _ unit: SampledValues.Unit) -> UInt64 {
    guard unit != .gauge else { return raw }
    guard ticks > 0 else { return 0 }
    let nanoseconds = Double(raw) / 256 * (Double(tickNanoseconds) / Double(ticks))
    return nanoseconds < 1e18 ? UInt64(nanoseconds) : 0
  }
}
