import Bytes
import DeltaDecoder
import DeltaEncoder
import DeltaModel
import Testing

@Suite("Delta round trip")
struct DeltaRoundTripTests {
  @Test(
    arguments: [
      ([], []), ([1], []), ([], [1]), ([1], [1]), ([1], [2]),
      (Array("old text".utf8), Array("new text".utf8)),
    ] as [([UInt8], [UInt8])])
  func `small files come back`(base: [UInt8], target: [UInt8]) throws {
    let delta = DeltaEncoder.encode(base: base, target: target)
    #expect(try DeltaDecoder.decode(delta.bytes, base: base) == target)
    #expect(try DeltaHeader(parsing: delta.bytes) == delta.header)
  }
}
