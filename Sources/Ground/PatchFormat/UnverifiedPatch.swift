package import Bytes

/// A patch file split into its parts; nothing in it may be believed yet.
///
/// The only way on is `Verifier.verify`, which turns it into a `VerifiedPatch`.
package struct UnverifiedPatch: Sendable {
  /// What every signature of a patch is bound to, so that none over another kind of document is
  /// taken for one over a manifest (docs/format.md, section 4.3).
  package static let signatureContext: [UInt8] = Array("hitless/patch-manifest/1".utf8)

  /// Size of the whole file in bytes.
  package let fileSize: Int
  /// The COSE_Sign message.
  package let envelope: [UInt8]
  /// The blobs, one after the other in the order of the components.
  package let blobs: [UInt8]

  /// Splits `file`, which must be one container without gaps and without trailing bytes.
  package init(parsing file: [UInt8]) throws(FormatError) {
    var reader = ByteReader(file)
    let header = try ContainerHeader(parsing: &reader)
    envelope = try reader.bytes(UInt64(header.envelopeSize))
    blobs = try reader.bytes(header.blobSize)
    try reader.finish()
    fileSize = file.count
  }

  /// Puts a file together from an envelope and the blobs that its manifest describes.
  package static func file(envelope: [UInt8], blobs: [[UInt8]]) throws(FormatError) -> [UInt8] {
    var total: UInt64 = 0
    for blob in blobs { total = try total.adding(UInt64(blob.count), at: 0) }
    guard let size = UInt32(exactly: envelope.count) else {
      throw FormatError(
        .overLimit(
          "the size of the envelope", found: UInt64(envelope.count),
          limit: UInt64(PatchLimits.envelopeSize)), at: 0)
    }
    let header = ContainerHeader(envelopeSize: size, blobSize: total)
    var reader = ByteReader(header.encoded)
    _ = try ContainerHeader(parsing: &reader)
    return header.encoded + envelope + blobs.joined()
  }
}
