internal import Bytes
internal import PatchFormat
internal import Refusal
internal import Signing

extension Forge {
  /// Attacks on the signature (rows 26 to 40).
  package func signatureCases() throws -> [AttackCase] {
    let payload = manifest.encoded
    let message = try COSESign.sign(
      payload, context: UnverifiedPatch.signatureContext, keys: [key])
    let good = message.signatures[0]
    let stranger = try SigningKey.generate()
    let other = try COSESign.sign(
      payload, context: UnverifiedPatch.signatureContext, keys: [stranger]
    ).signatures[0]
    let cases = [
      AttackCase("no signature", try file(signatures: []), .signature),
      AttackCase("a stranger's signature", try file(signatures: [entry(other)]), .untrustedKey),
      AttackCase(
        "a stranger's signature under the trusted key's id",
        try file(signatures: [entry(good.protectedHeader, other.bytes)]), .signature),
      AttackCase(
        "the trusted signature under a stranger's id",
        try file(signatures: [entry(other.protectedHeader, good.bytes)]), .untrustedKey),
      AttackCase(
        "a surplus signature by a stranger", try file(signatures: [entry(good), entry(other)]), nil),
      AttackCase(
        "a valid and an invalid signature by the trusted key",
        try file(signatures: [entry(good), entry(good.protectedHeader, other.bytes)]), .signature),
      AttackCase(
        "a signature of zeros",
        try file(signatures: [entry(good.protectedHeader, [UInt8](repeating: 0, count: 64))]),
        .signature),
      AttackCase(
        "a signature of no bytes", try file(signatures: [entry(good.protectedHeader, [])]),
        .signature),
      AttackCase(
        "10 000 signatures",
        try file(signatures: Array(repeating: entry(good), count: 10_000)), .limit),
      AttackCase(
        "17 signatures", try file(signatures: Array(repeating: entry(good), count: 17)), .limit),
      AttackCase(
        "a signature over another kind of document",
        try file(payload: payload, context: Array("hitless/statement/1".utf8)), .signature),
      AttackCase(
        "a signature without a kind of document", try file(payload: payload, context: []),
        .signature),
      AttackCase(
        "the signature of another manifest", try fileWithExchangedManifest(good), .signature),
    ]
    return cases + (try headerCases(good))
  }

  /// What a message claims about its own signature.
  private func headerCases(_ good: COSESign.Signature) throws -> [AttackCase] {
    var cases: [AttackCase] = []
    for (name, algorithm) in [
      ("none", 0), ("ECDSA", -7), ("RSA with SHA-1", -65_535), ("ML-DSA", -49),
    ]
      as [(String, Int64)]
    {
      let header = CBOR.map([
        .unsigned(1): .integer(algorithm), .unsigned(4): .bytes(good.keyID),
      ]).encoded
      cases.append(
        AttackCase(
          "algorithm \(name)", try file(signatures: [entry(header, good.bytes)]), .untrustedKey))
    }
    cases.append(
      AttackCase(
        "a key id in the unprotected header",
        try file(signatures: [
          .array([
            .bytes(good.protectedHeader), .map([.unsigned(4): .bytes(good.keyID)]),
            .bytes(good.bytes),
          ])
        ]), .format))
    return cases
  }

  private func fileWithExchangedManifest(_ good: COSESign.Signature) throws -> [UInt8] {
    var later = manifest
    later.sequence += 1
    return try file(signatures: [entry(good)], payload: later.encoded)
  }

  private func file(signatures: [CBOR], payload: [UInt8]? = nil) throws -> [UInt8] {
    try file(
      envelope: CBOR.tagged(
        98,
        .array([
          .bytes([]), .map([:]), .bytes(payload ?? manifest.encoded), .array(signatures),
        ])
      ).encoded)
  }

  private func entry(_ signature: COSESign.Signature) -> CBOR {
    entry(signature.protectedHeader, signature.bytes)
  }

  private func entry(_ header: [UInt8], _ signature: [UInt8]) -> CBOR {
    .array([.bytes(header), .map([:]), .bytes(signature)])
  }
}
