internal import Bytes
package import Refusal

extension COSESign {
  /// What the signatures of a message turned out to be.
  package struct Verdict: Equatable, Sendable {
    /// The trusted keys that signed, each once.
    package let signers: [PublicKey]
    /// Ids of the keys of signatures that nobody trusts here; they are not covered by anything.
    package let unknownKeyIDs: [[UInt8]]
  }

  /// Checks that enough different trusted keys signed the payload for `context`.
  ///
  /// The order is that of docs/format.md, section 6.3. A signature that names a trusted key must be
  /// valid even when it is not needed: otherwise a flipped byte in it would go unnoticed.
  package func check(
    against trust: TrustedKeys, context: [UInt8]
  ) throws(Refusal) -> Verdict {
    guard !signatures.isEmpty else {
      throw Refusal(.signature, "the patch carries no signature at all")
    }
    var signers: [PublicKey] = []
    var unknown: [[UInt8]] = []
    for (number, signature) in signatures.enumerated() {
      guard signature.algorithm == Self.edDSA else {
        throw Refusal(
          .untrustedKey, "signature \(number) claims an algorithm that no trusted key has",
          expected: "\(Self.edDSA) (EdDSA)", found: "\(signature.algorithm)")
      }
      let candidates = trust.keys(named: signature.keyID)
      if candidates.isEmpty {
        unknown.append(signature.keyID)
        continue
      }
      let message = Self.signedBytes(
        header: signature.protectedHeader, context: context, payload: payload)
      guard let signer = candidates.first(where: { $0.verifies(signature.bytes, over: message) })
      else {
        throw Refusal(
          .signature, "signature \(number) is not valid over these bytes",
          found: "key id \(signature.keyID.hex)",
          hint: "the file was changed after it was signed; fetch it again from the vendor")
      }
      if !signers.contains(signer) { signers.append(signer) }
    }
    try requireThreshold(trust, signers: signers, unknown: unknown)
    return Verdict(signers: signers, unknownKeyIDs: unknown)
  }

  private func requireThreshold(
    _ trust: TrustedKeys, signers: [PublicKey], unknown: [[UInt8]]
  ) throws(Refusal) {
    guard signers.count < trust.threshold else { return }
    let strangers = unknown.map(\.hex).joined(separator: ", ")
    throw Refusal(
      .untrustedKey,
      signers.isEmpty
        ? "no signature is by a trusted key" : "too few different trusted keys signed",
      expected:
        "\(trust.threshold) of key ids \(trust.keys.map(\.keyID.hex).joined(separator: ", "))",
      found: unknown.isEmpty
        ? "\(signers.count)" : "\(signers.count), and unknown key ids \(strangers)",
      hint: "trust the key of the vendor who signed, after comparing it with a copy you know")
  }
}
