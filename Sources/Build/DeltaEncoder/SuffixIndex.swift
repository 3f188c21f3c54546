internal import Dispatch
internal import Platform

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

  /// Texts above this are sorted in two halves, each on a processor of its own.
  static let halvedSize = 4 << 20

  private let text: [UInt8]
  private let parts: [SortedPart]

  /// Indexes `text`.
  ///
  /// - Complexity: O(n) time, 4 bytes of memory per byte.
  init(_ text: [UInt8], halvedAbove size: Int = halvedSize) {
    self.text = text
    let middle = text.count > size ? text.count / 2 : text.count
    let ranges = middle < text.count ? [0..<middle, middle..<text.count] : [0..<middle]
    let sorted = Guarded<[Int: SortedPart]>([:])
    DispatchQueue.concurrentPerform(iterations: ranges.count) { index in
      let part = SortedPart(text, ranges[index])
      sorted.withLock { $0[index] = part }
    }
    parts = sorted.withLock { all in ranges.indices.compactMap { all[$0] } }
  }

  /// Returns a longest match of what stands at `place` of `other`; matches below two bytes are none.
  ///
  /// Where the text is sorted in halves, one that starts in the first and ends in the second may be missed for
  /// a longer one within the first. The result does not depend on the number of processors.
  /// - Complexity: O(log n) steps, and as many byte comparisons as the match is long.
  func longestMatch(of other: Span<UInt8>, at place: Int) -> Match {
    var best = Match.none
    for part in parts {
      let match = part.longestMatch(of: other, at: place)
      guard match.count > 0 else { continue }
      let end = match.place + match.count
      let count =
        end < part.range.upperBound || end == text.count
        ? match.count
        : match.count + commonPrefix(text.span, end, other, place + match.count, from: 0)
      if count > best.count { best = Match(place: match.place, count: count) }
    }
    return best
  }
}

/// The suffixes of a stretch of a text, sorted as if the text ended with it.
private struct SortedPart: Sendable {
  let range: Range<Int>
  /// The stretch.
  private let text: [UInt8]
  private let suffixes: [Int32]
  /// For each pair of bytes the number of suffixes that start with a smaller pair.
  private let pairs: [Int32]

  init(_ whole: [UInt8], _ range: Range<Int>) {
    self.range = range
    text = range.count == whole.count ? whole : Array(whole[range])
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

  /// Returns a longest match within the stretch; its place is one of the whole text.
  func longestMatch(of other: Span<UInt8>, at place: Int) -> SuffixIndex.Match {
    guard place + 2 <= other.count else { return .none }
    let text = text.span
    let suffixes = suffixes.span
    let pair = Int(other[place]) << 8 | Int(other[place + 1])
    var low = Int(pairs[pair])
    var high = Int(pairs[pair + 1]) - 1
    guard low <= high else { return .none }
    var lowCount = commonPrefix(text, Int(suffixes[low]), other, place, from: 0)
    var highCount = commonPrefix(text, Int(suffixes[high]), other, place, from: 0)
    while high - low > 1 {
      let middle = (low + high) / 2
      let start = Int(suffixes[middle])
      let count = commonPrefix(text, start, other, place, from: min(lowCount, highCount))
      if place + count == other.count { return match(start, count) }
      if start + count == text.count || text[start + count] < other[place + count] {
        low = middle
        lowCount = count
      } else {
        high = middle
        highCount = count
      }
    }
    return lowCount >= highCount
      ? match(Int(suffixes[low]), lowCount) : match(Int(suffixes[high]), highCount)
  }

  private func match(_ start: Int, _ count: Int) -> SuffixIndex.Match {
    SuffixIndex.Match(place: range.lowerBound + start, count: count)
  }
}

/// How many bytes agree from `start` of `text` and from `place` of `other`, of which `known` do.
@inline(__always)
private func commonPrefix(
  _ text: Span<UInt8>, _ start: Int, _ other: Span<UInt8>, _ place: Int, from known: Int
) -> Int {
  let limit = min(text.count &- start, other.count &- place)
  var count = known
  while count < limit && text[start &+ count] == other[place &+ count] { count &+= 1 }
  return count
}
