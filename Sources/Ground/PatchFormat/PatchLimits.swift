/// The caps of the format (docs/format.md, section 7); each one has a test at it and one past it.
package enum PatchLimits {
  /// Largest manifest in bytes.
  package static let manifestSize = 1 << 20
  /// Largest envelope: the manifest and sixteen signatures with their headers.
  package static let envelopeSize = manifestSize + 80 * 1024
  /// Most components of one patch.
  package static let components = 256
  /// Largest base or target in bytes.
  package static let imageSize: UInt64 = 1 << 30
  /// Largest delta in bytes, and largest sum of the deltas of one patch.
  package static let deltaSize: UInt64 = 1 << 30
  /// Largest patch file in bytes.
  package static let fileSize = ContainerHeader.byteCount + envelopeSize + Int(deltaSize)
  /// What a decoder may need beyond base and target, in bytes.
  package static let decoderOverhead: UInt64 = 32 << 20
  /// Longest release id, and longest id of something that a patch resolves.
  package static let labelLength = 64
  /// Most entries of the lists of resolved ids and of prerequisites.
  package static let listCount = 256
  /// Shortest and longest build-id in bytes.
  package static let buildIDSize = 8...32
  /// Most kinds of per-record state of one module (`HITLESS_STATE_MAX`).
  package static let states = 4
}
