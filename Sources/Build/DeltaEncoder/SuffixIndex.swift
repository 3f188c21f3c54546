/// Finds the longest stretch of a text that a place of another text starts with.
struct SuffixIndex: Sendable {
  /// The longest text that can be indexed.
  static let largestText = Int(Int32.max)

  /// A place in the indexed text and for how many bytes it agrees.
  struct Match: Equatable, Sendable {
    /// Where the stretch starts.
    let place: Int
    /// How many bytes agree.
    let count: Int

    /// Nothing agrees.
    static let none = Match(place: 0, count: 0)
  }

  private let text: [UInt8]
  private let suffixes: [Int32]
  /// For each pair of bytes the number of suffixes that start with a smaller pair.
  private let pairs: [Int32]

  /// Indexes `text`.
  ///
  /// - Complexity: O(n) time, 5 bytes of memory per byte.
  init(_ text: [UInt8]) {
    self.text = text
    suffixes = SuffixSorter.suffixes(of: text, alphabet: 256)
    pairs = Self.pairs(text)
  }

  private static func pairs(_ text: [UInt8]) -> [Int32] {
    var counts: [Int32] = Array(repeating: 0, count: 65537)
    // The one-byte suffix stands before all pairs that start with its byte.
    if let last = text.last { counts[Int(last) << 8] += 1 }
    for index in 1..<max(1, text.count) {
      counts[(Int(text[index - 1]) << 8 | Int(text[index])) + 1] += 1
    }
    for index in 1..<counts.count { counts[index] += counts[index - 1] }
    return counts
  }

  /// Returns a longest match of what stands at `place` of `other`; matches below two bytes are none.
  ///
  /// - Complexity: O(log n) steps, and as many byte comparisons as the match is long.
  func longestMatch(of other: Span<UInt8>, at place: Int) -> Match {
    guard place + 2 <= other.count else { return .none }
    let text = text.span
    let suffixes = suffixes.span
    let pair = Int(other[place]) << 8 | Int(other[place + 1])
    var low = Int(pairs[pair])
    var high = Int(pairs[pair + 1]) - 1
    guard low <= high else { return .none }
    var lowCount = agreement(text, Int(suffixes[low]), other, place, from: 0)
    var highCount = agreement(text, Int(suffixes[high]), other, place, from: 0)
    while high - low > 1 {
      let middle = (low + high) / 2
      let start = Int(suffixes[middle])
      let count = agreement(text, start, other, place, from: min(lowCount, highCount))
      if place + count == other.count { return Match(place: start, count: count) }
      if start + count == text.count || text[start + count] < other[place + count] {
        low = middle
        lowCount = count
      } else {
        high = middle
        highCount = count
      }
    }
    return lowCount >= highCount
      ? Match(place: Int(suffixes[low]), count: lowCount)
      : Match(place: Int(suffixes[high]), count: highCount)
  }

  @inline(__always)
  private func agreement(
    _ text: Span<UInt8>, _ start: Int, _ other: Span<UInt8>, _ place: Int, from known: Int
  ) -> Int {
    let limit = min(text.count &- start, other.count &- place)
    var count = known
    while count < limit && text[start &+ count] == other[place &+ count] { count &+= 1 }
    return count
  }
}
