package import Bytes
package import DeltaModel

/// Applies deltas; total on hostile input.
package enum DeltaDecoder {
  /// Returns what `delta` yields from `base`.
  ///
  /// Every input ends in a result or an error; memory is bounded by what the header declares, and that
  /// by `limits`; time by the target's size. The result is whole but not yet trusted: only the digest
  /// of the target, which the caller checks, says that it is right. `progress` is called by the same
  /// thread, once for some 16 KiB, with fractions that rise from 0.
  package static func decode(
    _ delta: [UInt8], base: [UInt8], limits: DeltaLimits = .standard,
    progress: (@Sendable (Double) -> Void)? = nil
  ) throws(FormatError) -> [UInt8] {
    let header = try DeltaHeader(parsing: delta)
    try limits.check(header, baseSize: base.count)
    guard let progress else { return try header.decodeBody(of: delta, base: base) }
    return try header.decodeBody(of: delta, base: base) { place in
      progress(Double(place) / Double(max(1, header.targetSize)))
    }
  }
}
