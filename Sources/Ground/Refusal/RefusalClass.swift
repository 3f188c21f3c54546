/// The error classes: one table for the library, the agent and the exit code of the command line.
///
/// Raw values are those of hitless/status.h; numbers are never reused.
package enum RefusalClass: Int32, CaseIterable, Sendable {
  /// The caller's arguments make no sense.
  case usage = 2
  /// Not parseable, or of an illegal structure.
  case format = 10
  /// A declared or actual size or count is over a cap.
  case limit = 11
  /// A version or a critical feature that is not known.
  case unsupported = 12
  /// No valid signature over these bytes.
  case signature = 20
  /// Key unknown, revoked, of the wrong role, or threshold not met.
  case untrustedKey = 21
  /// The digest of a blob, a base or a result differs.
  case integrity = 22
  /// The sequence number is not newer.
  case rollback = 30
  /// Outside its validity, or the clock is not plausible.
  case expired = 31
  /// Parts of different releases.
  case mixed = 32
  /// Machine, interface, product or instance differs.
  case notForTarget = 40
  /// The mapped module is not the base.
  case wrongBase = 41
  /// The result is not a loadable marked module.
  case badELF = 42
  /// A name or a path breaks the rules.
  case path = 43
  /// Something changed between check and use.
  case race = 50
  /// Another transaction is under way.
  case busy = 51
  /// Not legal in this state.
  case state = 52
  /// No patch is taken until an operator releases the agent.
  case frozen = 53
  /// No space, or another resource is used up.
  case noSpace = 60
  /// Input or output failed.
  case io = 61
  /// Probation failed and the candidate was rolled back.
  case health = 70
  /// The patch has failed a while ago: it may be tried again when the wait is over.
  case breakerOpen = 71
  /// The patch has failed too often: refused until an operator releases it.
  case quarantined = 72
}

extension RefusalClass {
  /// The class as it is written in logs, `--json` and documents.
  package var name: String {
    switch self {
    case .usage: "usage"
    case .format: "format"
    case .limit: "limit"
    case .unsupported: "unsupported"
    case .signature: "signature"
    case .untrustedKey: "untrusted-key"
    case .integrity: "integrity"
    case .rollback: "rollback"
    case .expired: "expired"
    case .mixed: "mixed"
    case .notForTarget: "not-for-target"
    case .wrongBase: "wrong-base"
    case .badELF: "bad-elf"
    case .path: "path"
    case .race: "race"
    case .busy: "busy"
    case .state: "state"
    case .frozen: "frozen"
    case .noSpace: "no-space"
    case .io: "io"
    case .health: "health"
    case .breakerOpen: "breaker-open"
    case .quarantined: "quarantined"
    }
  }
}
