import Testing
import TestSupport

@testable import DeltaEncoder

@Suite("Suffix index")
struct SuffixIndexTests {
  @Test(arguments: [2, 4, 256])
  func `a longest match is as long as the longest found by trying all places`(alphabet: Int) {
    for seed in 0..<20 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let text = generator.bytes(150, below: alphabet)
      let other = Array(text[40..<90]) + generator.bytes(60, below: alphabet) + text[100...]
      let index = SuffixIndex(text)
      for place in other.indices {
        let match = index.longestMatch(of: other.span, at: place)
        let longest = text.indices.map { agreement(text, $0, other, place) }.max() ?? 0
        #expect(
          match.count == (longest < 2 ? 0 : longest) || match.count == 1 && longest == 1,
          "SeededGenerator(seed: \(seed)), alphabet \(alphabet), place \(place)")
        #expect(agreement(text, match.place, other, place) >= match.count)
      }
    }
  }

  @Test(arguments: [2, 4, 256])
  func `sorted in halves, no match is missed but for one across the middle`(alphabet: Int) {
    for seed in 0..<20 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let text = generator.bytes(150, below: alphabet)
      let other = Array(text[40..<110]) + generator.bytes(60, below: alphabet) + text[100...]
      let index = SuffixIndex(text, halvedAbove: 149)
      for place in other.indices {
        let match = index.longestMatch(of: other.span, at: place)
        let within = text.indices.map { start in
          min(agreement(text, start, other, place), start < 75 ? 75 - start : 150)
        }
        let longest = within.max() ?? 0
        #expect(
          match.count >= longest || longest < 2,
          "SeededGenerator(seed: \(seed)), alphabet \(alphabet), place \(place)")
        #expect(agreement(text, match.place, other, place) >= match.count)
        // The only place of such a text that goes on: found at its full length, across the middle.
        if alphabet == 256 && place < 30 { #expect(match.count >= 70 - place) }
      }
    }
  }

  @Test func `nothing matches in an empty text or at the end`() {
    let other: [UInt8] = [1, 2, 3]
    #expect(SuffixIndex([]).longestMatch(of: other.span, at: 0) == .none)
    #expect(SuffixIndex([1, 2, 3]).longestMatch(of: other.span, at: 3) == .none)
  }

  private func agreement(_ text: [UInt8], _ start: Int, _ other: [UInt8], _ place: Int) -> Int {
    zip(text[start...], other[place...]).prefix { $0 == $1 }.count
  }
}
