package import Bytes

/// A delta as a file of its own: the blob, and what it goes from and to (docs/format.md, "Delta file").
///
/// Inside a patch the manifest says the same, signed. A delta file is not signed: its digests find
/// damage and a wrong base, not malice.
package struct DeltaFile: Equatable, Sendable {
  /// `HLD1` as the four bytes are stored.
  package static let magic: UInt32 = 0x3144_4c48
  /// Bytes in front of the blob.
  package static let headerCount: UInt64 = 84

  /// A file by its size and its SHA-256.
  package struct Image: Equatable, Sendable {
    /// Size in bytes.
    package let size: UInt64
    /// The 32 bytes of the digest.
    package let digest: [UInt8]

    /// Creates the description of a file.
    package init(size: UInt64, digest: [UInt8]) {
      precondition(digest.count == 32, "a SHA-256 has 32 bytes")
      self.size = size
      self.digest = digest
    }
  }

  /// What the delta starts from.
  package let base: Image
  /// What it yields.
  package let target: Image
  /// The blob.
  package let delta: [UInt8]

  /// Whether `bytes` begin as a delta file does.
  package static func isMagic(_ bytes: [UInt8]) -> Bool {
    bytes.count >= 4 && bytes.span.little(0, 4) == UInt64(magic)
  }

  /// Puts a file together.
  package init(base: Image, target: Image, delta: [UInt8]) {
    self.base = base
    self.target = target
    self.delta = delta
  }

  /// Reads a file; the blob is only looked at as far as its header goes.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    var reader = ByteReader(bytes)
    guard try reader.little(UInt32.self) == Self.magic else {
      throw FormatError(.illegal("not the magic of a delta file"), at: 0)
    }
    let sizes = (try reader.little(UInt64.self), try reader.little(UInt64.self))
    base = Image(size: sizes.0, digest: try reader.bytes(32))
    target = Image(size: sizes.1, digest: try reader.bytes(32))
    delta = try reader.bytes(UInt64(reader.remaining))
    let header: DeltaHeader
    do throws(FormatError) {
      header = try DeltaHeader(parsing: delta)
    } catch {
      throw FormatError(error.reason, at: error.offset + Int(Self.headerCount))
    }
    guard header.targetSize == target.size else {
      throw FormatError(
        .illegal("two different target sizes, \(target.size) and \(header.targetSize)"), at: 12)
    }
  }

  /// The bytes of the file.
  package var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.little(Self.magic)
    writer.little(base.size)
    writer.little(target.size)
    writer.append(base.digest)
    writer.append(target.digest)
    writer.append(delta)
    return writer.bytes
  }
}
