package import Compatibility
package import Digests
package import PatchFormat

/// A finished patch file and what there is to tell about it.
package struct BuiltPatch: Sendable {
  /// What happened to one module.
  package struct Part: Sendable {
    /// What changed.
    package let change: ModuleChange
    /// How the delta is coded.
    package let mode: String
  }

  /// The file.
  package let bytes: [UInt8]
  /// What it says.
  package let manifest: Manifest
  /// The SHA-256 of the manifest.
  package let identity: SHA256Digest
  /// One entry per component.
  package let parts: [Part]

  /// Size of everything but the deltas.
  package var envelopeSize: Int {
    bytes.count - Int(manifest.components.reduce(0) { $0 + $1.delta.size })
  }
}
