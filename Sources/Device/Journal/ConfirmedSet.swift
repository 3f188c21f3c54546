package import Bytes
package import Digests
package import Verification

/// What a host comes up on: the object that fills each slot, and the patches that led there.
package struct ConfirmedSet: Equatable, Sendable {
  /// How many confirmations and fallbacks led here; 0 before the first.
  package var number: UInt64 = 0
  /// The confirmed module image of each slot, by the slot's name.
  package var modules: [String: SHA256Digest] = [:]
  /// The newest confirmed patch per product and module.
  package var accepted: [SequenceKey: AcceptedPatch] = [:]
  /// The patch whose confirmation made this set; nil for a set that a start fell back to.
  package var patch: SHA256Digest?
  /// The modules of the set before this one, for a start to fall back to; empty: the host's own files;
  /// nil: there is none.
  package var previous: [String: SHA256Digest]?
  /// What a start gave up for this set.
  package var abandoned: AbandonedSet?

  /// Nothing was confirmed yet.
  package init() {}

  /// The objects that this set or a fall back from it needs.
  package var neededObjects: Set<SHA256Digest> {
    Set(modules.values).union(previous?.values.map(\.self) ?? [])
  }

  /// The set to start when this one has ended its host too often; nil when there is none before it.
  ///
  /// What was accepted stays so: falling back lets no older patch in.
  package var fallback: ConfirmedSet? {
    guard number > 0, let previous else { return nil }
    var set = ConfirmedSet()
    set.number = number &+ 1
    set.modules = previous
    set.accepted = accepted
    set.abandoned = AbandonedSet(number: number, patch: patch)
    return set
  }
}

/// A confirmed set that ended its host too often.
package struct AbandonedSet: Equatable, Sendable {
  /// Its number.
  package let number: UInt64
  /// The patch that had led to it: the one patch that may be tried again though it is not newer.
  package let patch: SHA256Digest?

  package init(number: UInt64, patch: SHA256Digest?) {
    self.number = number
    self.patch = patch
  }
}

extension ConfirmedSet {
  private static let format: UInt64 = 2
  private static let moduleLimit = 1024

  /// The set as the file `confirmed` holds it: deterministic CBOR.
  package var encoded: [UInt8] {
    CBOR.map([
      .text("format"): .unsigned(Self.format),
      .text("number"): .unsigned(number),
      .text("modules"): Self.cbor(modules),
      .text("accepted"): accepted.cbor,
      .text("patch"): Self.cbor(patch),
      .text("previous"): previous.map { Self.cbor($0) } ?? .null,
      .text("abandoned"): abandoned.map {
        .array([.unsigned($0.number), Self.cbor($0.patch)])
      } ?? .null,
    ]).encoded
  }

  /// Reads what `encoded` wrote, or what an agent wrote that kept no set to fall back to (format 1).
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    guard let entries = try CBOR(parsing: bytes).mapValue,
      let format = entries[.text("format")]?.unsignedValue
    else { throw FormatError(.illegal("a confirmed set without a format"), at: 0) }
    guard (1...Self.format).contains(format) else {
      throw FormatError(.unsupported("the format of the confirmed set"), at: 0)
    }
    guard entries.count == (format == 1 ? 4 : 7),
      let number = entries[.text("number")]?.unsignedValue,
      let modules = entries[.text("modules")], let accepted = entries[.text("accepted")]
    else { throw FormatError(.illegal("a confirmed set with other fields than expected"), at: 0) }
    self.number = number
    self.modules = try Self.modules(modules)
    self.accepted = try Dictionary(acceptedFrom: accepted)
    if format > 1 { try readFallback(entries) }
  }

  private mutating func readFallback(_ entries: [CBOR: CBOR]) throws(FormatError) {
    guard let patch = entries[.text("patch")], let previous = entries[.text("previous")],
      let abandoned = entries[.text("abandoned")]
    else { throw FormatError(.illegal("a confirmed set with other fields than expected"), at: 0) }
    self.patch = try Self.digest(patch)
    if previous != .null { self.previous = try Self.modules(previous) }
    guard abandoned != .null else { return }
    guard let fields = abandoned.arrayValue, fields.count == 2,
      let number = fields[0].unsignedValue
    else { throw FormatError(.illegal("an abandoned set with other fields"), at: 0) }
    self.abandoned = AbandonedSet(number: number, patch: try Self.digest(fields[1]))
  }

  private static func cbor(_ modules: [String: SHA256Digest]) -> CBOR {
    .map(
      Dictionary(
        uniqueKeysWithValues: modules.map { (CBOR.text($0.key), CBOR.bytes($0.value.bytes)) }))
  }

  private static func cbor(_ digest: SHA256Digest?) -> CBOR {
    digest.map { .bytes($0.bytes) } ?? .null
  }

  private static func digest(_ item: CBOR) throws(FormatError) -> SHA256Digest? {
    if item == .null { return nil }
    guard let digest = item.bytesValue.flatMap({ SHA256Digest(bytes: $0) }) else {
      throw FormatError(.illegal("a digest that is none"), at: 0)
    }
    return digest
  }

  private static func modules(_ item: CBOR) throws(FormatError) -> [String: SHA256Digest] {
    guard let entries = item.mapValue, entries.count <= moduleLimit else {
      throw FormatError(.illegal("a list of confirmed modules that is none"), at: 0)
    }
    var modules: [String: SHA256Digest] = [:]
    for (name, item) in entries {
      guard let name = name.textValue, let digest = try digest(item) else {
        throw FormatError(.illegal("a confirmed module that is no digest"), at: 0)
      }
      modules[name] = digest
    }
    return modules
  }
}
