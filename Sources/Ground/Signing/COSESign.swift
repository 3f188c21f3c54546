internal import Bytes
package import Refusal

/// A COSE_Sign message (RFC 9052, section 4.1): a payload and the signatures over it.
///
/// Only well-formed, not trusted: `check(against:context:)` is what makes it trusted.
package struct COSESign: Equatable, Sendable {
  /// One entry of the signature list (docs/format.md, section 4.2).
  package struct Signature: Equatable, Sendable {
    /// The protected header as the signer encoded it; the signature covers these bytes.
    package let protectedHeader: [UInt8]
    /// The COSE number of the algorithm that the message claims; never used to choose one.
    package let algorithm: Int64
    /// Which key to try.
    package let keyID: [UInt8]
    /// The signature itself.
    package let bytes: [UInt8]
  }

  /// Most signatures that one message may carry.
  package static let signatureLimit = 16
  /// Largest encoded protected header plus signature of one entry; room for ML-DSA-87.
  package static let signatureSizeLimit = 4_864
  /// Tag of COSE_Sign.
  static let tag: UInt64 = 98
  /// Ed25519 as COSE names it (RFC 9053, section 2.2).
  package static let edDSA: Int64 = -8

  /// The signed bytes.
  package let payload: [UInt8]
  /// The signatures in the order in which they are stored.
  package let signatures: [Signature]

  /// Signs `payload` with every key of `keys`, once each, ordered by key id.
  ///
  /// `context` says what the payload is, so that a signature over something else is never valid
  /// here. Same payload, context and keys: same bytes.
  package static func sign(
    _ payload: [UInt8], context: [UInt8], keys: [SigningKey]
  ) throws(Refusal) -> COSESign {
    var byKey: [PublicKey: Signature] = [:]
    for key in keys {
      let header = protectedHeader(keyID: key.publicKey.keyID)
      let message = signedBytes(header: header, context: context, payload: payload)
      byKey[key.publicKey] = Signature(
        protectedHeader: header, algorithm: edDSA, keyID: key.publicKey.keyID,
        bytes: try key.signature(over: message))
    }
    guard (1...signatureLimit).contains(byKey.count) else {
      throw Refusal(
        .limit, "wrong number of signing keys", expected: "1 to \(signatureLimit)",
        found: "\(byKey.count)")
    }
    let ordered = byKey.sorted {
      ($0.value.keyID + $0.key.raw).lexicographicallyPrecedes($1.value.keyID + $1.key.raw)
    }
    return COSESign(payload: payload, signatures: ordered.map(\.value))
  }

  /// The bytes that a signer signs (RFC 9052, section 4.4).
  static func signedBytes(header: [UInt8], context: [UInt8], payload: [UInt8]) -> [UInt8] {
    CBOR.array([
      .text("Signature"), .bytes([]), .bytes(header), .bytes(context), .bytes(payload),
    ]).encoded
  }

  private static func protectedHeader(keyID: [UInt8]) -> [UInt8] {
    CBOR.map([.unsigned(1): .integer(edDSA), .unsigned(4): .bytes(keyID)]).encoded
  }
}
