import Bytes
import DeltaDecoder

/// Decodes for a program in C (`decode.c`): returns how many bytes were written to `output`, or −1.
@c(hitless_decode)
public func decode(
  _ base: UnsafePointer<UInt8>, _ baseCount: Int, _ delta: UnsafePointer<UInt8>, _ deltaCount: Int,
  _ output: UnsafeMutablePointer<UInt8>, _ capacity: Int
) -> Int {
  let old = unsafe Array(UnsafeBufferPointer(start: base, count: baseCount))
  let blob = unsafe Array(UnsafeBufferPointer(start: delta, count: deltaCount))
  guard let target = try? DeltaDecoder.decode(blob, base: old), target.count <= capacity else {
    return -1
  }
  for (index, byte) in target.enumerated() { unsafe output[index] = byte }
  return target.count
}
