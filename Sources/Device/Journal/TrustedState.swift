package import Bytes
internal import Digests
package import Verification

/// What the agent believes about the past, so that nobody can take it back there.
package struct TrustedState: Equatable, Sendable {
  /// The newest confirmed patch per product and module.
  package var accepted: [SequenceKey: AcceptedPatch] = [:]
  /// The latest time that was believed, in seconds since 1970 (UTC).
  package var clockFloor: UInt64 = 0

  /// Believes nothing yet.
  package init() {}

  /// The state as the file `trust` holds it: deterministic CBOR.
  package var encoded: [UInt8] {
    CBOR.map([
      .text("format"): .unsigned(1), .text("clock"): .unsigned(clockFloor),
      .text("accepted"): accepted.cbor,
    ]).encoded
  }

  /// Reads what `encoded` wrote.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    guard let entries = try CBOR(parsing: bytes).mapValue, entries.count == 3,
      entries[.text("format")] == .unsigned(1),
      let clock = entries[.text("clock")]?.unsignedValue, let accepted = entries[.text("accepted")]
    else { throw FormatError(.illegal("a trusted state with other fields than expected"), at: 0) }
    clockFloor = clock
    self.accepted = try Dictionary(acceptedFrom: accepted)
  }

  /// Takes over what `other` knows to be newer; nothing ever goes back.
  mutating func ratchet(_ other: [SequenceKey: AcceptedPatch]) {
    accepted.merge(other) { old, new in new.sequence > old.sequence ? new : old }
  }
}

extension [SequenceKey: AcceptedPatch] {
  private static var countLimit: Int { 4096 }

  var cbor: CBOR {
    let sorted = self.sorted { ($0.key.product, $0.key.module) < ($1.key.product, $1.key.module) }
    return .array(
      sorted.map {
        .array([
          .text($0.key.product), .text($0.key.module), .unsigned($0.value.sequence),
          .bytes($0.value.identity.bytes),
        ])
      })
  }

  init(acceptedFrom item: CBOR) throws(FormatError) {
    self = [:]
    guard let entries = item.arrayValue, entries.count <= Self.countLimit else {
      throw FormatError(.illegal("a list of accepted patches that is none"), at: 0)
    }
    for entry in entries {
      guard let fields = entry.arrayValue, fields.count == 4, let product = fields[0].textValue,
        let module = fields[1].textValue, let sequence = fields[2].unsignedValue,
        let bytes = fields[3].bytesValue, let identity = SHA256Digest(bytes: bytes)
      else { throw FormatError(.illegal("an accepted patch with other fields"), at: 0) }
      self[SequenceKey(product: product, module: module)] = AcceptedPatch(
        sequence: sequence, identity: identity)
    }
  }
}
