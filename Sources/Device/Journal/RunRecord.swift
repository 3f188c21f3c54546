internal import Bytes
package import Digests
internal import Platform

/// When the end of a host counts against the set it ran on.
package struct BootLoopRule: Equatable, Sendable {
  /// How soon an end is early, in nanoseconds; 0: no end is.
  ///
  /// A start within that time of the confirmation, or of the start before it, follows an early
  /// end. Longer than whoever restarts the host waits.
  package var window: UInt64 = 120_000_000_000
  /// After so many early ends in a row the set before is started.
  package var limit: UInt64 = 2

  /// The rule when nothing else is said.
  package init() {}
}

/// A candidate that is in force and not confirmed.
package struct Trial: Equatable, Sendable {
  /// The number of its transaction.
  package let transaction: UInt64
  /// Identity of its patch; nil in records of agents that did not write it down.
  package let patch: SHA256Digest?
  /// Names of the modules that the patch changes.
  package let modules: [String]

  /// Creates a trial.
  package init(_ transaction: UInt64, of patch: SHA256Digest?, _ modules: [String]) {
    self.transaction = transaction
    self.patch = patch
    self.modules = modules
  }
}

/// What the process that holds the state directory is doing, for the one that comes after it: the file
/// `run`.
///
/// Nobody can write down that he dies. So the record says "running" from the start on, and only an
/// orderly end takes that back.
struct RunRecord: Equatable, Sendable {
  /// Number of the confirmed set that is stable.
  var set: UInt64
  /// When the host came up on it, or confirmed it.
  var since: Moment
  /// How many runs on this set ended early before this one, in a row.
  var deaths: UInt64
  /// The candidate that is in force and not confirmed.
  var trial: Trial?
  /// Whether the agent was closed, or its start was refused.
  var isOver = false
}

/// How the run before this one ended.
package struct LastRun: Equatable, Sendable {
  /// What is known of the end.
  package enum Ending: Equatable, Sendable {
    /// There was no run before, or its record is lost.
    case unknown
    /// The agent was closed.
    case closed
    /// The host ended without that: it was killed, it crashed, or the machine did.
    case died
  }

  /// How it ended.
  package let ending: Ending
  /// What was on trial then: it counts as rolled back.
  package var trial: Trial?
  /// Nanoseconds from the start or the confirmation to this start, as far as they can be told.
  package var elapsed: UInt64?
  /// Whether that was within the rule's window.
  package var isEarly = false
  /// How many runs on the confirmed set ended early, in a row, this one included if it did.
  package var deaths: UInt64 = 0
  /// Whether the set before is to be started instead.
  package var givesUp = false

  /// An end that counts for nothing.
  package init(ending: Ending, elapsed: UInt64? = nil) {
    self.ending = ending
    self.elapsed = elapsed
  }
}

extension LastRun {
  /// Judges the run that `record` tells of, by nothing but what is given.
  ///
  /// An end on trial counts against the candidate alone: the confirmed set was not what ran.
  init(_ record: RunRecord?, confirmed: ConfirmedSet, at now: Moment, rule: BootLoopRule) {
    guard let record else {
      self.init(ending: .unknown)
      return
    }
    self.init(ending: record.isOver ? .closed : .died)
    elapsed = now.since(record.since)
    // Another set than the record's: the crash came between the set and the record, right after a
    // confirmation, and the trial was a success.
    let isSameSet = record.set == confirmed.number
    if isSameSet, let trial = record.trial {
      self.trial = trial
      deaths = record.deaths
      return
    }
    guard ending == .died else {
      // Of a run that was closed: none; of a start that was refused: those before it.
      deaths = isSameSet ? record.deaths : 0
      return
    }
    isEarly = rule.window > 0 && elapsed.map { $0 <= rule.window } ?? false
    deaths = isEarly ? (isSameSet ? record.deaths : 0) &+ 1 : 0
    givesUp = isEarly && deaths >= max(1, rule.limit) && confirmed.fallback != nil
  }
}

extension RunRecord {
  private static let format: UInt64 = 2
  /// That of agents that did not write down whose trial it is.
  private static let formatWithoutPatch: UInt64 = 1
  private static let formats = [formatWithoutPatch: 8, format: 10]

  /// The record as the file holds it: deterministic CBOR.
  var encoded: [UInt8] {
    CBOR.map([
      .text("format"): .unsigned(Self.format), .text("set"): .unsigned(set),
      .text("boot"): .text(since.boot), .text("uptime"): .unsigned(since.uptime),
      .text("wall"): .unsigned(since.wall), .text("deaths"): .unsigned(deaths),
      .text("trial"): trial.map { .unsigned($0.transaction) } ?? .null,
      .text("patch"): trial?.patch.map { .bytes($0.bytes) } ?? .null,
      .text("modules"): .array((trial?.modules ?? []).map { .text($0) }),
      .text("over"): .bool(isOver),
    ]).encoded
  }

  /// Reads what `encoded` wrote, here or in an older agent.
  init(parsing bytes: [UInt8]) throws(FormatError) {
    guard let entries = try CBOR(parsing: bytes).mapValue,
      let format = entries[.text("format")]?.unsignedValue,
      entries.count == Self.formats[format],
      let set = entries[.text("set")]?.unsignedValue,
      let boot = entries[.text("boot")]?.textValue,
      let uptime = entries[.text("uptime")]?.unsignedValue,
      let wall = entries[.text("wall")]?.unsignedValue,
      let deaths = entries[.text("deaths")]?.unsignedValue,
      let trial = entries[.text("trial")], trial == .null || trial.unsignedValue != nil,
      let isOver = entries[.text("over")]?.boolValue
    else { throw FormatError(.illegal("the record of a run with other fields"), at: 0) }
    self.set = set
    since = Moment(boot: boot, uptime: uptime, wall: wall)
    self.deaths = deaths
    self.trial = try trial.unsignedValue.map { (number) throws(FormatError) in
      try Trial(number, entries, hasPatch: format != Self.formatWithoutPatch)
    }
    self.isOver = isOver
  }
}

extension Trial {
  fileprivate init(
    _ transaction: UInt64, _ entries: [CBOR: CBOR], hasPatch: Bool
  ) throws(FormatError) {
    guard hasPatch else {
      self.init(transaction, of: nil, [])
      return
    }
    guard let patch = entries[.text("patch")]?.bytesValue.flatMap({ SHA256Digest(bytes: $0) }),
      let items = entries[.text("modules")]?.arrayValue,
      items.allSatisfy({ $0.textValue.map { PlainName.isValid($0.utf8) } == true })
    else { throw FormatError(.illegal("a trial with other fields"), at: 0) }
    self.init(transaction, of: patch, items.compactMap(\.textValue))
  }
}
