import Testing
import TestSupport

@testable import DeltaEncoder

@Suite("Suffix sorter")
struct SuffixSorterTests {
  @Test(arguments: [
    "", "a", "aa", "ab", "ba", "banana", "mississippi", "abracadabra", "aaaaaaaaaaaaaaaa",
    "abababababababab", "zyxwvutsrqponmlkjihgfedcba", "cacacacbcacacacb",
  ])
  func `words are sorted as by comparing every suffix`(word: String) {
    expectSorted(Array(word.utf8), "\(word)")
  }

  /// Few different bytes make long repeats, which is where sorting recurses.
  @Test(arguments: [1, 2, 3, 5, 256])
  func `random texts are sorted as by comparing every suffix`(alphabet: Int) {
    for seed in 0..<40 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let count = Int.random(in: 1...200, using: &generator)
      expectSorted(
        generator.bytes(count, below: alphabet), "SeededGenerator(seed: \(seed)), \(alphabet)")
    }
  }

  @Test func `a text of repeated phrases is sorted`() {
    var generator = SeededGenerator(seed: 7)
    let phrases = (0..<4).map { _ in generator.bytes(17, below: 4) }
    var text: [UInt8] = []
    for _ in 0..<60 { text += phrases[Int.random(in: 0..<4, using: &generator)] }
    expectSorted(text, "phrases")
  }

  private func expectSorted(_ text: [UInt8], _ what: Comment) {
    let expected = text.indices.sorted { text[$0...].lexicographicallyPrecedes(text[$1...]) }
    #expect(SuffixSorter.suffixes(of: text, alphabet: 256).map(Int.init) == expected, what)
  }
}
