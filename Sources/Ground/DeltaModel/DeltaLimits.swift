package import Bytes

/// What a delta may cost whoever decodes it.
package struct DeltaLimits: Sendable, Equatable {
  /// No target is larger than this, whatever a manifest says.
  package static let largestTarget: UInt64 = 1 << 30
  /// No base is larger than this.
  package static let largestBase: UInt64 = 1 << 30
  /// No decoder's tables are larger than this.
  package static let largestTables: UInt64 = 32 << 20

  /// The largest target that is accepted.
  package let targetSize: UInt64
  /// The largest `DeltaHeader.memoryNeeded` that is accepted.
  package let memory: UInt64

  /// The caps of the format.
  package static let standard = DeltaLimits(
    targetSize: largestTarget, memory: largestTarget + largestTables)

  /// Allows a target of `targetSize` bytes and `memory` bytes of allocations, within the caps of the
  /// format.
  package init(targetSize: UInt64, memory: UInt64) {
    self.targetSize = min(targetSize, Self.largestTarget)
    self.memory = min(memory, Self.largestTarget + Self.largestTables)
  }

  /// Throws if decoding what `header` announces from a base of `baseSize` bytes would cost more than is
  /// allowed.
  package func check(_ header: DeltaHeader, baseSize: Int) throws(FormatError) {
    guard UInt64(baseSize) <= Self.largestBase else {
      throw FormatError(
        .overLimit("the base size", found: UInt64(baseSize), limit: Self.largestBase), at: 0)
    }
    guard header.targetSize <= targetSize else {
      throw FormatError(
        .overLimit("the target size", found: header.targetSize, limit: targetSize), at: 1)
    }
    guard header.memoryNeeded <= memory else {
      throw FormatError(
        .overLimit("the memory needed", found: header.memoryNeeded, limit: memory), at: 1)
    }
  }
}
