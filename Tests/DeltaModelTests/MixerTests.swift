import TestSupport
import Testing

@testable import DeltaModel

@Suite("Mixer")
struct MixerTests {
  /// The arithmetic of docs/format.md with a number at a time.
  private struct PlainMixer {
    var weights: [Int]

    func sum(_ inputs: [Int]) -> Int {
      let sum = zip(inputs, weights).reduce(0) { $0 + $1.0 * ($1.1 >> 2) }
      let shifted = Int(Int32(truncatingIfNeeded: sum) >> 14)
      return max(-CodingTables.stretchLimit, min(CodingTables.stretchLimit, shifted))
    }

    mutating func learn(_ inputs: [Int], bit: Int, probability: Int, rate: Int) {
      let miss = bit << 16 - probability
      guard abs(miss) > 256 else { return }
      let error = (miss * rate) >> 8
      for index in weights.indices {
        let moved = weights[index] + (inputs[index] * error + 1 << 11) >> 12
        weights[index] = max(-1 << 17, min(1 << 17 - 1, moved))
      }
    }
  }

  @Test(arguments: [3, 4, 10, 16, 23, 28], [14, 70, 100, 127, 128, 230])
  func `sums and weights are those of one number at a time, at the limits too`(
    width: Int, rate: Int
  ) {
    var numbers = SeededGenerator(seed: UInt64(width * 1000 + rate))
    let start = (0..<width).map { Int32($0 * 1000) } + [0]
    var mixer = Mixer(start, sets: 3)
    var plain = (0..<3).map { _ in PlainMixer(weights: start.map(Int.init)) }
    for _ in 0..<4000 {
      // Now and then the same input and the same error over and over: that brings weights to their limits.
      let set = Int.random(in: 0..<3, using: &numbers)
      var inputs = Mixer.Inputs(repeating: 0)
      for index in 0..<width { inputs[index] = Int16.random(in: -4725...4725, using: &numbers) }
      if set == 1 { for index in 0..<width { inputs[index] = index % 2 == 0 ? 4725 : -4725 } }
      inputs[width] = Mixer.bias
      let values = (0...width).map { Int(inputs[$0]) }
      #expect(mixer.sum(inputs.span, width + 1, set: set) == plain[set].sum(values))
      let bit = set == 1 ? 1 : Int.random(in: 0...1, using: &numbers)
      let probability = set == 1 ? 1 : Int.random(in: 1...65535, using: &numbers)
      mixer.learn(
        inputs.span, width + 1, set: set, bit: bit, probability: probability, rate: rate)
      plain[set].learn(values, bit: bit, probability: probability, rate: rate)
    }
    let expected = plain.flatMap { $0.weights.map(Int32.init) }
    #expect(mixer.weights == expected)
    #expect(expected.contains(1 << 17 - 1) && expected.contains(-1 << 17))
  }

  @Test func `a weight is put at its place among all sets, and what is behind them is left over`() {
    var mixer = Mixer([1, 2, 3], sets: 2)
    var place = 4
    #expect(mixer.put(9, at: &place))
    #expect(mixer.weights == [1, 2, 3, 1, 9, 3])
    place = 7
    #expect(!mixer.put(9, at: &place))
    #expect(place == 1)
    #expect(mixer.weights == [1, 2, 3, 1, 9, 3])
  }
}
