import CodeReferences
import DeltaDecoder
import DeltaModel

/// Decodes a blob from a base, both of which the fuzzer makes: two bytes that say how long the blob is,
/// the blob, the base.
@c(LLVMFuzzerTestOneInput)
public func fuzzBlob(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count >= 2 else { return 0 }
  let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  let end = min(count, 2 + (Int(input[0]) | Int(input[1]) << 8))
  let limits = DeltaLimits(targetSize: 1 << 16, memory: 1 << 26)
  _ = try? DeltaDecoder.decode(Array(input[2..<end]), base: Array(input[end...]), limits: limits)
  return 0
}
