package import Digests
package import PatchFormat
package import Signing

/// A patch whose every byte is covered by signatures of trusted keys and that suits the facts given.
///
/// Only `Verifier.verify` makes one.
package struct VerifiedPatch: Sendable {
  /// What the patch says, now to be believed.
  package let manifest: Manifest
  /// The SHA-256 of the manifest; a further signature does not make another patch.
  package let identity: SHA256Digest
  /// What was checked, one line per check, written by the checks themselves.
  package let checks: [String]
  /// The trusted keys that signed.
  package let signers: [PublicKey]
  /// Key ids of signatures by keys that are not trusted here; nothing rests on them.
  package let unknownKeyIDs: [[UInt8]]
  /// The blob of each component.
  let deltas: [[UInt8]]

  /// What to remember once the patch is confirmed.
  package var accepted: [SequenceKey: AcceptedPatch] {
    let patch = AcceptedPatch(sequence: manifest.sequence, identity: identity)
    return Dictionary(
      uniqueKeysWithValues: manifest.components.map {
        (SequenceKey(product: manifest.product, module: $0.module), patch)
      })
  }
}
