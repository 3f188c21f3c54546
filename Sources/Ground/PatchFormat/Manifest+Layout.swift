package import Bytes

extension Manifest {
  /// The range of each component's blob among `blobCount` bytes of blobs, in order, without gaps.
  package func blobRanges(in blobCount: Int) throws(FormatError) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var start: UInt64 = 0
    for component in components {
      let end = try start.adding(component.delta.size, at: 0)
      guard end <= UInt64(blobCount) else {
        throw FormatError(.truncated(missing: end - UInt64(blobCount)), at: blobCount)
      }
      ranges.append(Int(start)..<Int(end))
      start = end
    }
    guard start == UInt64(blobCount) else {
      throw FormatError(.trailing(count: UInt64(blobCount) - start), at: Int(start))
    }
    return ranges
  }
}
