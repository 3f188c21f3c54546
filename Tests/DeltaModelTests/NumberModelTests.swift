import DeltaModel
import Testing

@Suite("Number model")
struct NumberModelTests {
  static let numbers: [UInt64] =
    [0, 1, 2, 3, 4, 7, 8, 100, 65535, 65536, 1 << 40, (1 << 63) - 1] + Array(0..<300)

  @Test func `numbers come back`() {
    var model = NumberModel(contexts: 2)
    var encoder = BinaryCoder()
    for number in Self.numbers { _ = model.code(number, context: 1, coder: &encoder) }
    var other = NumberModel(contexts: 2)
    var decoder = BinaryCoder(decoding: encoder.finish(), from: 0)
    for number in Self.numbers {
      #expect(other.code(0, context: 1, coder: &decoder) == number)
    }
  }

  @Test func `numbers of either sign come back`() {
    let numbers = Self.numbers.dropLast().flatMap { [Int64($0 >> 1), -Int64($0 >> 1)] }
    var model = NumberModel(contexts: 1)
    var encoder = BinaryCoder()
    for number in numbers { _ = model.codeSigned(number, context: 0, coder: &encoder) }
    var other = NumberModel(contexts: 1)
    var decoder = BinaryCoder(decoding: encoder.finish(), from: 0)
    for number in numbers {
      #expect(other.codeSigned(0, context: 0, coder: &decoder) == number)
    }
  }
}
