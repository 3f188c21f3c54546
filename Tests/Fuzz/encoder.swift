import CodeReferences
import DeltaDecoder
import DeltaEncoder
import DeltaModel

/// Encodes a pair that the fuzzer makes, and decodes it again: two bytes that say how long the target is, and
/// in their highest bit whether covers are tuned, the target, the base.
@c(LLVMFuzzerTestOneInput)
public func fuzzEncoder(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count >= 2 else { return 0 }
  let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  let end = min(count, 2 + (Int(input[0]) | Int(input[1] & 127) << 8))
  let target = Array(input[2..<end])
  let base = Array(input[end...])
  let effort = input[1] < 128 ? EncodingEffort.quick : .thorough
  let delta = DeltaEncoder.encode(base: base, target: target, effort: effort)
  let decoded = try? DeltaDecoder.decode(delta.bytes, base: base)
  precondition(decoded == target, "what was encoded does not come back")
  return 0
}
