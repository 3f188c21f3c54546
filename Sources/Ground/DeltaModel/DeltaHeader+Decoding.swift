package import Bytes
package import CodeReferences

extension DeltaHeader {
  /// Returns what `delta`, of which this header was read, yields from `base`.
  ///
  /// What decoding costs has to be checked before (`DeltaLimits`). `listener` hears of places in the target
  /// that have been reached, ascending; `assistant` does what depends on the base alone, ahead.
  package func decodeBody(
    of delta: [UInt8], base: [UInt8], without: DeltaAblation = [],
    listener: (@Sendable (Int) -> Void)? = nil, assistant: Assistant? = nil
  ) throws(FormatError) -> [UInt8] {
    switch mode {
    case .stored:
      var reader = try ByteReader(delta, in: UInt64(count)..<UInt64(delta.count))
      let target = try reader.bytes(targetSize)
      try reader.finish()
      return target
    case .delta, .whole:
      return try DeltaBody.decode(
        delta, base: base, header: self, without: without, listener: listener, assistant: assistant)
    case .plain:
      return try PlainBody.decode(delta, header: self, without: without, listener: listener)
    }
  }
}
