internal import Bytes
package import DeltaModel

/// A delta and how it came to be.
package struct EncodedDelta: Sendable, Equatable {
  /// The blob, header first.
  package let bytes: [UInt8]
  /// What the blob's first bytes say.
  package let header: DeltaHeader
  /// The name of the mode that gave the smallest blob.
  package var mode: String { header.mode.name }
}

/// Makes deltas.
package enum DeltaEncoder {
  /// Returns the smallest delta that yields `target` from `base`.
  ///
  /// The same inputs give the same bytes. `progress` is called with fractions from 0 to 1.
  package static func encode(
    base: [UInt8], target: [UInt8], progress: (Double) -> Void = { _ in }
  ) -> EncodedDelta {
    let covers = CoverFinder.covers(base: base, target: target) { progress(0.7 * $0) }
    var best = stored(target)
    let covered = covers.reduce(0) { $0 + $1.count }
    if !covers.isEmpty {
      best = smaller(best, coded(.delta, base: base, target: target, covers: covers))
      progress(0.9)
    }
    if !target.isEmpty && covered < target.count / 2 || best.bytes.count > target.count / 8 {
      best = smaller(best, coded(.whole, base: base, target: target, covers: []))
    }
    progress(1)
    return best
  }

  private static func stored(_ target: [UInt8]) -> EncodedDelta {
    let header = DeltaHeader(mode: .stored, targetSize: UInt64(target.count))
    return EncodedDelta(bytes: header.encoded + target, header: header)
  }

  /// Returns nil where the coder refuses, which leaves the target stored.
  private static func coded(
    _ mode: DeltaMode, base: [UInt8], target: [UInt8], covers: [Cover]
  ) -> EncodedDelta? {
    let header = DeltaHeader(
      mode: mode, targetSize: UInt64(target.count), coverCount: UInt64(covers.count))
    guard
      let body = try? DeltaBody.encode(base: base, target: target, covers: covers, header: header)
    else { return nil }
    return EncodedDelta(bytes: header.encoded + body, header: header)
  }

  private static func smaller(_ left: EncodedDelta, _ right: EncodedDelta?) -> EncodedDelta {
    guard let right, right.bytes.count < left.bytes.count else { return left }
    return right
  }
}
