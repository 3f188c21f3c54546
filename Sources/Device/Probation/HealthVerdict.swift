/// What is wrong with a candidate.
package struct HealthFinding: Equatable, Sendable {
  /// What was compared.
  package let subject: String
  /// What was found, as a sentence with both figures.
  package let detail: String

  /// Creates a finding.
  package init(subject: String, detail: String) {
    self.subject = subject
    self.detail = detail
  }
}

/// What a look at both sides says.
package enum HealthVerdict: Equatable, Sendable {
  /// Enough was seen, and nothing is wrong.
  case healthy
  /// The candidate differs from stable where it must not.
  case unhealthy(HealthFinding)
  /// Not enough was seen to say so; never a success.
  case inconclusive(String)

  /// One word, for the audit log and the command line.
  package var name: String {
    switch self {
    case .healthy: "healthy"
    case .unhealthy: "unhealthy"
    case .inconclusive: "inconclusive"
    }
  }

  /// Why; empty when healthy.
  package var detail: String {
    switch self {
    case .healthy: ""
    case .unhealthy(let finding): "\(finding.subject): \(finding.detail)"
    case .inconclusive(let reason): reason
    }
  }
}

/// Everything that a verdict depends on.
package struct HealthInput: Equatable, Sendable {
  package var thresholds = HealthThresholds()
  /// Nanoseconds since the step began, and how many it is meant to last.
  package var elapsed: UInt64 = 0
  package var dwell: UInt64 = 0
  /// Whether nothing is the candidate's yet, and only stable is watched.
  package var isObservation = false
  /// Whether the candidate has so little that its code is out of the caches when its turn comes.
  package var isCold = false
  /// The cycle counter's ticks in `tickNanoseconds` nanoseconds.
  package var ticks: UInt64 = 0
  package var tickNanoseconds: UInt64 = 0
  package var stable = HealthFigures()
  package var candidate = HealthFigures()

  /// An input of nothing.
  package init() {}
}
