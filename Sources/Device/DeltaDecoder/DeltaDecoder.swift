package import Bytes
package import CodeReferences
package import DeltaModel

/// Applies deltas; total on hostile input.
package enum DeltaDecoder {
  /// For a base of fewer bytes no assistant is asked for: starting a thread would take longer than it saves.
  package static let assistedFrom = 1 << 18

  /// Returns what `delta` yields from `base`.
  ///
  /// Every input ends in a result or an error; memory is bounded by what the header declares, and that
  /// by `limits`; time by the target's size. The result is whole but not yet trusted: only the digest
  /// of the target, which the caller checks, says that it is right. `progress` is called by the same
  /// thread, once for some 16 KiB, with fractions that rise from 0.
  ///
  /// `assistant` does ahead what depends on nothing but the base and the covers. The result is the same
  /// with it and without; pieces of its work may be left over when this returns or throws, so who gives
  /// it joins it.
  package static func decode(
    _ delta: [UInt8], base: [UInt8], limits: DeltaLimits = .standard,
    progress: (@Sendable (Double) -> Void)? = nil, assistant: Assistant? = nil
  ) throws(FormatError) -> [UInt8] {
    let header = try DeltaHeader(parsing: delta)
    try limits.check(header, baseSize: base.count)
    let assistant = base.count < assistedFrom ? nil : assistant
    guard let progress else {
      return try header.decodeBody(of: delta, base: base, assistant: assistant)
    }
    return try header.decodeBody(
      of: delta, base: base,
      listener: { progress(Double($0) / Double(max(1, header.targetSize))) }, assistant: assistant)
  }
}
