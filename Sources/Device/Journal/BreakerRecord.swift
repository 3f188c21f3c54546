package import Bytes
package import Digests
package import Platform

/// What keeps patches out after a restart, too: the file `breakers`.
package struct BreakerRecord: Equatable, Sendable {
  /// Why no patch is taken at all.
  package struct Hold: Equatable, Sendable {
    /// Nanoseconds since 1970 (UTC).
    package let time: UInt64
    /// The user who asked for it; nil: the host or the agent itself.
    package let user: UInt32?
    /// A sentence.
    package let reason: String

    /// Creates a hold.
    package init(time: UInt64, user: UInt32?, reason: String) {
      self.time = time
      self.user = user
      self.reason = reason
    }
  }

  /// One module of one patch.
  package struct Entry: Equatable, Sendable {
    /// Identity of the patch.
    package let patch: SHA256Digest
    /// Name of the module.
    package let module: String
    /// How often its breaker has opened.
    package let openings: UInt64
    /// Whether the patch is refused until an operator says otherwise.
    package let isQuarantined: Bool
    /// Nanoseconds that were left of the wait when this was written.
    package let left: UInt64

    /// Creates an entry.
    package init(
      patch: SHA256Digest, module: String, openings: UInt64, isQuarantined: Bool, left: UInt64
    ) {
      self.patch = patch
      self.module = module
      self.openings = openings
      self.isQuarantined = isQuarantined
      self.left = left
    }
  }

  /// Most entries that are kept.
  package static let entryLimit = 1024
  /// Most modules that are held.
  package static let heldLimit = 1024
  /// Longest reason in bytes of UTF-8.
  package static let reasonLimit = 512

  /// When it was written.
  package var at: Moment
  /// An operator's.
  package var frozen: Hold?
  /// An operator's, of patches that change one module, by its name.
  package var held: [String: Hold]
  /// The agent's own, after too many loads have failed.
  package var stopped: Hold?
  /// Oldest first.
  package var entries: [Entry]

  /// Creates a record.
  package init(
    at moment: Moment, frozen: Hold?, held: [String: Hold] = [:], stopped: Hold?, entries: [Entry]
  ) {
    at = moment
    self.frozen = frozen
    self.held = held
    self.stopped = stopped
    self.entries = entries
  }
}

extension BreakerRecord {
  /// Without modules that are held, which older agents do not know.
  private static let format: UInt64 = 1
  /// With them: one field more.
  private static let formatWithHeld: UInt64 = 2

  /// The record as the file holds it: deterministic CBOR.
  ///
  /// Where no module is held it is of the older format, so that an older agent reads it.
  package var encoded: [UInt8] {
    var fields: [CBOR: CBOR] = [
      .text("format"): .unsigned(held.isEmpty ? Self.format : Self.formatWithHeld),
      .text("boot"): .text(at.boot), .text("uptime"): .unsigned(at.uptime),
      .text("wall"): .unsigned(at.wall), .text("frozen"): frozen?.cbor ?? .null,
      .text("stopped"): stopped?.cbor ?? .null, .text("entries"): .array(entries.map(\.cbor)),
    ]
    if !held.isEmpty {
      fields[.text("held")] = .map(
        Dictionary(uniqueKeysWithValues: held.map { (.text($0), $1.cbor) }))
    }
    return CBOR.map(fields).encoded
  }

  /// Reads what `encoded` wrote, in either format.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    guard let fields = try CBOR(parsing: bytes).mapValue,
      let format = fields[.text("format")]?.unsignedValue,
      format == Self.format && fields.count == 7
        || format == Self.formatWithHeld && fields.count == 8,
      let boot = fields[.text("boot")]?.textValue,
      let uptime = fields[.text("uptime")]?.unsignedValue,
      let wall = fields[.text("wall")]?.unsignedValue, let frozen = fields[.text("frozen")],
      let stopped = fields[.text("stopped")],
      let entries = fields[.text("entries")]?.arrayValue, entries.count <= Self.entryLimit
    else { throw FormatError(.illegal("a record of breakers with other fields"), at: 0) }
    at = Moment(boot: boot, uptime: uptime, wall: wall)
    self.frozen = try Hold.read(frozen)
    held = format == Self.format ? [:] : try Self.held(fields[.text("held")])
    self.stopped = try Hold.read(stopped)
    self.entries = []
    for entry in entries { self.entries.append(try Entry(entry)) }
  }

  private static func held(_ item: CBOR?) throws(FormatError) -> [String: Hold] {
    var held: [String: Hold] = [:]
    for (name, item) in item?.mapValue ?? [:] {
      guard let name = name.textValue, PlainName.isValid(name.utf8) else { continue }
      held[name] = try Hold.read(item)
    }
    guard !held.isEmpty, held.count <= heldLimit, held.count == item?.mapValue?.count
    else { throw FormatError(.illegal("a record of breakers with other modules"), at: 0) }
    return held
  }
}

extension BreakerRecord.Hold {
  fileprivate var cbor: CBOR {
    .array([.unsigned(time), user.map { .unsigned(UInt64($0)) } ?? .null, .text(reason)])
  }

  fileprivate static func read(_ item: CBOR) throws(FormatError) -> BreakerRecord.Hold? {
    if item == .null { return nil }
    guard let fields = item.arrayValue, fields.count == 3, let time = fields[0].unsignedValue,
      let reason = fields[2].textValue, reason.utf8.count <= BreakerRecord.reasonLimit,
      fields[1] == .null || fields[1].unsignedValue.flatMap({ UInt32(exactly: $0) }) != nil
    else { throw FormatError(.illegal("a hold with other fields"), at: 0) }
    return BreakerRecord.Hold(
      time: time, user: fields[1].unsignedValue.map { UInt32(clamping: $0) }, reason: reason)
  }
}

extension BreakerRecord.Entry {
  fileprivate var cbor: CBOR {
    .array([
      .bytes(patch.bytes), .text(module), .unsigned(openings), .bool(isQuarantined),
      .unsigned(left),
    ])
  }

  fileprivate init(_ item: CBOR) throws(FormatError) {
    guard let fields = item.arrayValue, fields.count == 5,
      let patch = fields[0].bytesValue.flatMap({ SHA256Digest(bytes: $0) }),
      let module = fields[1].textValue, PlainName.isValid(module.utf8),
      let openings = fields[2].unsignedValue,
      let isQuarantined = fields[3].boolValue, let left = fields[4].unsignedValue
    else { throw FormatError(.illegal("an entry of a breaker with other fields"), at: 0) }
    self.init(
      patch: patch, module: module, openings: openings, isQuarantined: isQuarantined, left: left)
  }
}
