import Bytes
import DeltaModel
import Testing
import TestSupport

@Suite("Binary coder")
struct BinaryCoderTests {
  @Test(arguments: 0..<20 as Range<UInt64>)
  func `bits come back under any probabilities, and the end is checked`(seed: UInt64) throws {
    let bits = randomBits(seed: seed, count: 2000)
    let bytes = encode(bits)
    var decoder = BinaryCoder(decoding: bytes, from: 0)
    for (bit, probability) in bits {
      #expect(decoder.code(0, probability: probability) == bit)
    }
    try decoder.checkEnd()
    #expect(!decoder.isExhausted)
  }

  @Test func `expected bits cost what they should`() {
    let bits = Array(repeating: (1, 65535), count: 100_000)
    #expect(encode(bits).count <= 1)
    #expect(encode(Array(repeating: (0, 1), count: 100_000)).count <= 1)
    let coins = randomBits(seed: 5, count: 8000).map { ($0.0, 32768) }
    #expect((1000...1001).contains(encode(coins).count))
  }

  @Test func `another end is refused: cut, longer or changed`() {
    let bits = randomBits(seed: 9, count: 300)
    let bytes = encode(bits)
    for wrong in [
      Array(bytes.dropLast()), bytes + [0], bytes.dropLast() + [bytes[bytes.count - 1] ^ 1],
    ] {
      var decoder = BinaryCoder(decoding: wrong, from: 0)
      var same = true
      for (bit, probability) in bits where decoder.code(0, probability: probability) != bit {
        same = false
      }
      // Either the bits are other bits, or the end is not an encoder's.
      if same { #expect(throws: FormatError.self) { try decoder.checkEnd() } }
    }
  }

  @Test func `reading on past the end is noticed`() {
    var decoder = BinaryCoder(decoding: [], from: 0)
    var count = 0
    while !decoder.isExhausted && count < 1000 {
      _ = decoder.code(0, probability: 32768)
      count += 1
    }
    #expect(count < 80)
  }

  private func randomBits(seed: UInt64, count: Int) -> [(Int, Int)] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      let probability = Int.random(in: 1...65535, using: &generator)
      let bit = Int.random(in: 0..<65536, using: &generator) < probability ? 1 : 0
      return (bit, probability)
    }
  }

  private func encode(_ bits: [(Int, Int)]) -> [UInt8] {
    var encoder = BinaryCoder()
    for (bit, probability) in bits { _ = encoder.code(bit, probability: probability) }
    return encoder.finish()
  }
}
