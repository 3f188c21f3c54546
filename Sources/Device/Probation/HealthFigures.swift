/// What a host counts for the comparison of two versions (the numbers are those of hitless/host.h).
package enum SignalKind: Int32, Sendable {
  /// Packets: what counts of the other kinds are measured against.
  case packets = 0
  /// Errors: more is worse, fewer is better.
  case errors = 1
  /// Drops: more is worse, and far fewer means that something is not enforced any more.
  case drops = 2
  /// A value now and then, such as a queue's depth: larger is worse.
  case gauge = 3

  /// The kind in the audit log.
  package var name: String {
    switch self {
    case .packets: "packets"
    case .errors: "errors"
    case .drops: "drops"
    case .gauge: "gauge"
    }
  }

  /// The kind of a name.
  package init?(named name: String) {
    let all: [SignalKind] = [.packets, .errors, .drops, .gauge]
    guard let kind = all.first(where: { $0.name == name }) else { return nil }
    self = kind
  }
}

/// How many packets of one side had something happen to them.
package struct SignalCount: Equatable, Sendable {
  /// What the host calls it.
  package let name: String
  /// What it means.
  package let kind: SignalKind
  /// How many packets.
  package let count: UInt64

  /// Creates a count.
  package init(_ name: String, _ kind: SignalKind, _ count: UInt64) {
    self.name = name
    self.kind = kind
    self.count = count
  }
}

/// Values of one side: times of a slot, or what a gauge has shown.
package struct SampledValues: Equatable, Sendable {
  /// Of what.
  package enum Unit: String, Sendable {
    /// Time of a whole batch, in 256ths of a tick of the cycle counter.
    case batch
    /// Time of a batch in one slot, in the same.
    case slot
    /// What the host says.
    case gauge
  }

  /// Name of the slot or of the signal.
  package let name: String
  package let unit: Unit
  package let values: LogHistogram

  /// Creates a series.
  package init(_ name: String, _ unit: Unit, _ values: LogHistogram) {
    self.name = name
    self.unit = unit
    self.values = values
  }
}

/// What one side, stable or candidate, has done in some time.
package struct HealthFigures: Equatable, Sendable {
  /// Packets that counts are measured against; nil when the host counts none.
  package var packets: UInt64?
  /// In the order of their definition.
  package var counts: [SignalCount] = []
  /// Times first, then gauges.
  package var samples: [SampledValues] = []

  /// Figures of nothing.
  package init() {}

  func count(_ name: String) -> UInt64? { counts.first { $0.name == name }?.count }

  func sampled(_ name: String, _ unit: SampledValues.Unit) -> LogHistogram? {
    samples.first { $0.name == name && $0.unit == unit }?.values
  }
}
