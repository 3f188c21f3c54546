package import Bytes
package import DeltaModel

/// Applies deltas; total on hostile input.
package enum DeltaDecoder {
  /// Returns what `delta` yields from `base`.
  ///
  /// Every input ends in a result or an error; memory is bounded by what the header declares, and that
  /// by `limits`; time by the target's size. The result is whole but not yet trusted: only the digest
  /// of the target, which the caller checks, says that it is right.
  package static func decode(
    _ delta: [UInt8], base: [UInt8], limits: DeltaLimits = .standard
  ) throws(FormatError) -> [UInt8] {
    let header = try DeltaHeader(parsing: delta)
    try limits.check(header, baseSize: base.count)
    return try header.decodeBody(of: delta, base: base)
  }
}
