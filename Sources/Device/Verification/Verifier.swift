internal import Bytes
internal import DeltaModel
internal import Digests
package import PatchFormat
package import Refusal
package import Signing

/// Turns an `UnverifiedPatch` into a `VerifiedPatch`, or says why not.
///
/// Pure: no files, no clock, no network; the same input gives the same answer. The order of the checks
/// is that of docs/format.md, section 6.
package enum Verifier {
  /// How far a sequence number may be ahead of the newest accepted one.
  ///
  /// It allows numbering by seconds, and keeps one patch from using up all numbers.
  package static let sequenceJumpLimit: UInt64 = 1 << 32
  /// A clock before this moment (2025-01-01) was never set.
  package static let earliestClock: UInt64 = 1_735_689_600

  /// Checks signatures, structure, digests, and the policy that `facts` allow to check.
  package static func verify(
    _ patch: UnverifiedPatch, trust: TrustedKeys, facts: VerificationFacts
  ) throws(Refusal) -> VerifiedPatch {
    var checks: [String] = []
    let message = try decoding("the envelope") { () throws(FormatError) in
      try COSESign(parsing: patch.envelope)
    }
    let verdict = try message.check(against: trust, context: UnverifiedPatch.signatureContext)
    checks += signatureLines(verdict, trust: trust)
    // Only from here on may the payload be read.
    let manifest = try decoding("the manifest") { () throws(FormatError) in
      try Manifest(parsing: message.payload)
    }
    let identity = SHA256Digest(of: message.payload)
    checks.append("manifest: \(message.payload.count) bytes, identity \(identity.hex)")
    let deltas = try split(patch, manifest)
    for (number, delta) in deltas.enumerated() {
      checks.append(try checkDelta(delta, manifest.components[number], number: number))
    }
    checks.append("coverage: all \(patch.fileSize) bytes are signed or under a signed digest")
    try checks += policyLines(manifest, identity: identity, facts: facts)
    return VerifiedPatch(
      manifest: manifest, identity: identity, checks: checks, signers: verdict.signers,
      unknownKeyIDs: verdict.unknownKeyIDs, deltas: deltas)
  }

  private static func signatureLines(
    _ verdict: COSESign.Verdict, trust: TrustedKeys
  ) -> [String] {
    let signers = verdict.signers.map(\.keyID.hex).joined(separator: ", ")
    let line =
      "signature: \(verdict.signers.count) of \(trust.keys.count) trusted keys signed"
      + " (\(trust.threshold) needed), key id \(signers)"
    return [line]
  }

  private static func split(
    _ patch: UnverifiedPatch, _ manifest: Manifest
  ) throws(Refusal) -> [[UInt8]] {
    try decoding("the blobs") { () throws(FormatError) in
      try manifest.blobRanges(in: patch.blobs.count)
    }.map { range in
      // The usual patch has one delta; it need not be in memory twice.
      range == patch.blobs.indices ? patch.blobs : Array(patch.blobs[range])
    }
  }

  /// Checks a blob against the manifest; what its own header claims must be the same.
  private static func checkDelta(
    _ delta: [UInt8], _ component: Component, number: Int
  ) throws(Refusal) -> String {
    let name = "component \(number) (\(component.module))"
    let digest = SHA256Digest(of: delta)
    guard digest == component.delta.digest else {
      throw Refusal(
        .integrity, "the delta is not the one that was signed",
        expected: component.delta.digest.hex, found: digest.hex, at: name,
        hint: "the file was changed after it was signed; fetch it again from the vendor")
    }
    let header = try decoding("the delta of \(name)") { () throws(FormatError) in
      try DeltaHeader(parsing: delta)
    }
    guard header.codec == component.delta.codec, header.targetSize == component.target.size,
      header.memoryNeeded == component.delta.memory
    else {
      throw Refusal(
        .format, "the delta and the manifest describe different things",
        expected: describe(
          component.delta.codec, component.target.size, component.delta.memory),
        found: describe(header.codec, header.targetSize, header.memoryNeeded), at: name)
    }
    return "delta: \(name), \(delta.count) bytes, SHA-256 as signed"
  }

  private static func describe(_ codec: UInt8, _ size: UInt64, _ memory: UInt64) -> String {
    "codec \(codec), target \(size) bytes, memory \(memory) bytes"
  }

  private static func decoding<Value>(
    _ what: String, _ body: () throws(FormatError) -> Value
  ) throws(Refusal) -> Value {
    do throws(FormatError) { return try body() } catch { throw Refusal(error, in: what) }
  }
}
