package import Bytes

/// The first bytes of every delta blob (docs/format.md, "Delta codec 1").
///
/// It says how the rest is coded and what decoding it will cost, so that both can be refused before
/// anything is allocated. It carries no digest: what binds a delta to its base and its target is the
/// manifest, or the header of a delta file.
package struct DeltaHeader: Sendable, Equatable {
  /// How the body is coded.
  package let mode: DeltaMode
  /// Size in bytes of what the delta yields.
  package let targetSize: UInt64
  /// Bytes the decoder allocates: the target and its working tables, not the base nor the delta.
  package let memoryNeeded: UInt64
  /// How many bytes of the blob the header takes.
  package let count: Int

  /// The number of `mode`, in the first byte of the blob and in the manifest.
  package var codec: UInt8 { mode.rawValue }
}

/// How the body of a delta is coded.
package enum DeltaMode: UInt8, CaseIterable, Sendable {
  /// The target itself.
  case stored = 0
}

extension DeltaMode {
  /// The mode as it is printed.
  package var name: String {
    switch self {
    case .stored: "stored"
    }
  }
}

extension DeltaHeader {
  /// Describes a delta of `mode` that yields `targetSize` bytes.
  package init(mode: DeltaMode, targetSize: UInt64) {
    self.mode = mode
    self.targetSize = targetSize
    memoryNeeded = targetSize
    count = 1 + LEB128.count(targetSize)
  }

  /// Reads the header at the start of a delta blob; the body that follows is not looked at.
  package init(parsing delta: [UInt8]) throws(FormatError) {
    var reader = ByteReader(delta)
    let codec = try reader.byte()
    guard let mode = DeltaMode(rawValue: codec) else {
      throw FormatError(.unsupported("delta codec \(codec)"), at: 0)
    }
    self.init(mode: mode, targetSize: try LEB128.read(&reader))
  }

  /// The bytes of the header.
  package var encoded: [UInt8] { [codec] + LEB128.bytes(targetSize) }
}
