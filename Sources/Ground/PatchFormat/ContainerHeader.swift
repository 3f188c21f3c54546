package import Bytes

/// The fixed header at the start of a patch file (docs/format.md, section 2).
package struct ContainerHeader: Equatable, Sendable {
  /// `HLP1`, the four bytes as they are stored.
  package static let magic: [UInt8] = Array("HLP1".utf8)
  /// The one version of the format there is.
  package static let version: UInt16 = 1
  /// Size of the header in bytes.
  package static let byteCount = 20

  /// Size of the envelope that follows the header.
  package let envelopeSize: UInt32
  /// Size of the blobs that follow the envelope, to the end of the file.
  package let blobSize: UInt64

  /// Creates a header.
  package init(envelopeSize: UInt32, blobSize: UInt64) {
    self.envelopeSize = envelopeSize
    self.blobSize = blobSize
  }

  /// The header as it is stored.
  package var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.append(Self.magic)
    writer.little(Self.version)
    writer.little(UInt16(0))
    writer.little(envelopeSize)
    writer.little(blobSize)
    return writer.bytes
  }

  /// Parses the header and leaves `reader` at the envelope.
  ///
  /// The version is looked at before anything that a later version may have moved.
  package init(parsing reader: inout ByteReader) throws(FormatError) {
    let start = reader.position
    guard try reader.bytes(4) == Self.magic else {
      throw FormatError(.illegal("not a patch file: other magic than HLP1"), at: start)
    }
    let version: UInt16 = try reader.little()
    guard version == Self.version else {
      throw FormatError(.unsupported("format version \(version)"), at: start + 4)
    }
    guard try reader.little(UInt16.self) == 0 else {
      throw FormatError(.illegal("a reserved field that is not zero"), at: start + 6)
    }
    envelopeSize = try reader.little()
    guard envelopeSize > 0 else {
      throw FormatError(.illegal("an empty envelope"), at: start + 8)
    }
    guard envelopeSize <= PatchLimits.envelopeSize else {
      throw FormatError(
        .overLimit(
          "the size of the envelope", found: UInt64(envelopeSize),
          limit: UInt64(PatchLimits.envelopeSize)), at: start + 8)
    }
    blobSize = try reader.little()
    guard blobSize <= PatchLimits.deltaSize else {
      throw FormatError(
        .overLimit("the size of the blobs", found: blobSize, limit: PatchLimits.deltaSize),
        at: start + 12)
    }
  }
}
