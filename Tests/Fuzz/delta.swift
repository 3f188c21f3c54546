import CodeReferences
import DeltaDecoder
import DeltaModel

/// Decodes what the fuzzer makes: the first byte chooses one of 64 hostile bases, the second whether the
/// rest is a blob, or only a body behind a good header.
@c(LLVMFuzzerTestOneInput)
public func fuzzDelta(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count >= 4 else { return 0 }
  let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  let base = HostileDelta(seed: UInt64(input[0] & 63)).base
  var delta = Array(input[3...])
  if input[1] & 1 != 0 {
    let mode: DeltaMode = input[1] & 4 != 0 ? .plain : input[1] & 2 == 0 ? .whole : .delta
    let header = DeltaHeader(
      mode: mode, targetSize: UInt64(input[2]) * 32 + 1, coverCount: UInt64(input[2] & 7) + 1,
      period: Int(input[2] & 63) + 1, hasRepeats: input[2] & 64 != 0)
    delta = header.encoded + delta
  }
  let limits = DeltaLimits(targetSize: 1 << 16, memory: 1 << 26)
  _ = try? DeltaDecoder.decode(delta, base: base, limits: limits)
  return 0
}
