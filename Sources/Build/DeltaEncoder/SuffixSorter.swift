/// Sorts the suffixes of a text by induced sorting (SA-IS; Nong, Zhang and Chan, 2009).
///
/// - Complexity: O(n) time; 4 bytes per suffix, and about 3 more while sorting.
struct SuffixSorter<Symbol: FixedWidthInteger & Sendable>: Sendable {
  private let text: [Symbol]
  /// How many suffixes start with each symbol.
  private let counts: [Int32]
  /// The leftmost S-type positions, ascending: where a smaller symbol follows a larger one.
  private let anchors: [Int32]
  /// How many S-type suffixes start with each symbol; they are the last ones of its bucket.
  private let smallerCounts: [Int32]

  /// Returns the starts of all suffixes of `text` in the order of the suffixes.
  ///
  /// Symbols are below `alphabet`; the text has fewer than 2^31 of them.
  static func suffixes(of text: [Symbol], alphabet: Int) -> [Int32] {
    guard text.count > 1 else { return text.isEmpty ? [] : [0] }
    return SuffixSorter(text, alphabet: alphabet).sorted()
  }

  private init(_ text: [Symbol], alphabet: Int) {
    self.text = text
    var counts: [Int32] = Array(repeating: 0, count: alphabet)
    for symbol in text { counts[Int(symbol)] += 1 }
    self.counts = counts
    (anchors, smallerCounts) = Self.anchors(of: text, alphabet: alphabet)
  }

  /// A suffix is of type S when it is smaller than the one after it, else L; the last is L.
  private static func anchors(of text: [Symbol], alphabet: Int) -> ([Int32], [Int32]) {
    var anchors: [Int32] = []
    var smallerCounts: [Int32] = Array(repeating: 0, count: alphabet)
    var isSmaller = false
    for index in (0..<text.count - 1).reversed() {
      if text[index] < text[index + 1] {
        isSmaller = true
      } else if text[index] > text[index + 1] {
        if isSmaller { anchors.append(Int32(index + 1)) }
        isSmaller = false
      }
      if isSmaller { smallerCounts[Int(text[index])] += 1 }
    }
    anchors.reverse()
    return (anchors, smallerCounts)
  }

  private func sorted() -> [Int32] {
    var suffixes: [Int32] = Array(repeating: 0, count: text.count)
    guard anchors.count > 1 else {
      place(anchors, in: &suffixes)
      induce(&suffixes)
      return suffixes
    }
    place(anchors, in: &suffixes)
    let order = sortedAnchors(stretches: inducedAnchors(&suffixes))
    for index in suffixes.indices { suffixes[index] = 0 }
    place(order, in: &suffixes)
    induce(&suffixes)
    return suffixes
  }

  /// Puts anchors, given in ascending order of what is known, at the ends of their buckets.
  private func place(_ order: [Int32], in suffixes: inout [Int32]) {
    var ends = bucketEnds()
    for anchor in order.reversed() {
      let symbol = Int(text[Int(anchor)])
      ends[symbol] -= 1
      suffixes[Int(ends[symbol])] = anchor
    }
  }

  private func bucketEnds() -> [Int32] {
    var sum: Int32 = 0
    return counts.map { count in
      sum += count
      return sum
    }
  }

  /// Derives the order of all suffixes from that of the anchors in place.
  ///
  /// An entry is stored as its complement when the suffix before it is not for this pass.
  private func induce(_ array: inout [Int32]) {
    let text = text.span
    var suffixes = array.mutableSpan
    induceLarger(text, &suffixes)
    induceSmaller(text, &suffixes) { _, _ in }
  }

  /// The same, and returns the anchors in the order that this gives them: that of the stretches which
  /// they begin.
  private func inducedAnchors(_ array: inout [Int32]) -> [Int32] {
    let text = text.span
    var suffixes = array.mutableSpan
    induceLarger(text, &suffixes)
    let firsts = zip(bucketEnds(), smallerCounts).map { $0 - $1 }
    var symbol = counts.count - 1
    var found: [Int32] = []
    found.reserveCapacity(anchors.count)
    induceSmaller(text, &suffixes) { index, suffix in
      // From right to left: what is the last of this pass and stands among the S-type ones is an anchor.
      while symbol > 0 && index < Int(firsts[symbol] &- counts[symbol] &+ smallerCounts[symbol]) {
        symbol &-= 1
      }
      if index >= Int(firsts[symbol]) && suffix > 0 { found.append(suffix) }
    }
    found.reverse()
    return found
  }

  /// Derives the L-type suffixes, from left to right.
  private func induceLarger(_ text: Span<Symbol>, _ suffixes: inout MutableSpan<Int32>) {
    let ends = bucketEnds()
    var buckets = zip(ends, counts).map { $0 - $1 }
    var next = buckets.mutableSpan
    let last = text.count - 1
    var symbol = Int(text[last])
    var free = Int(next[symbol])
    suffixes[free] = entry(last, isLast: last > 0 ? text[last - 1] < text[last] : false)
    free += 1
    for index in 0..<text.count {
      let suffix = Int(suffixes[index])
      suffixes[index] = Int32(truncatingIfNeeded: ~suffix)
      guard suffix > 0 else { continue }
      let before = suffix &- 1
      let first = Int(text[before])
      if first != symbol {
        next[symbol] = Int32(truncatingIfNeeded: free)
        symbol = first
        free = Int(next[symbol])
      }
      suffixes[free] = entry(before, isLast: before > 0 ? Int(text[before &- 1]) < symbol : false)
      free &+= 1
    }
  }

  /// Derives the S-type suffixes, from right to left; `last` gets every entry from which no other follows.
  @inline(__always)
  private func induceSmaller(
    _ text: Span<Symbol>, _ suffixes: inout MutableSpan<Int32>, last: (Int, Int32) -> Void
  ) {
    var buckets = bucketEnds()
    var next = buckets.mutableSpan
    var symbol = 0
    var free = Int(next[symbol])
    for index in (0..<text.count).reversed() {
      let suffix = Int(suffixes[index])
      guard suffix > 0 else {
        let end = Int32(truncatingIfNeeded: ~suffix)
        suffixes[index] = end
        last(index, end)
        continue
      }
      let before = suffix &- 1
      let first = Int(text[before])
      if first != symbol {
        next[symbol] = Int32(truncatingIfNeeded: free)
        symbol = first
        free = Int(next[symbol])
      }
      free &-= 1
      suffixes[free] = entry(before, isLast: before > 0 ? Int(text[before &- 1]) > symbol : true)
    }
  }

  @inline(__always)
  private func entry(_ suffix: Int, isLast: Bool) -> Int32 {
    Int32(truncatingIfNeeded: isLast ? ~suffix : suffix)
  }

  /// Returns the anchors in the order of their suffixes, given the order of the stretches between them.
  private func sortedAnchors(stretches: [Int32]) -> [Int32] {
    let (names, count) = nameAnchors(stretches)
    guard count < anchors.count else { return stretches }
    return SuffixSorter<Int32>.suffixes(of: names, alphabet: count).map { anchors[Int($0)] }
  }

  /// Numbers the stretches from anchor to anchor by their order, equal ones alike.
  private func nameAnchors(_ stretches: [Int32]) -> (names: [Int32], count: Int) {
    // Two anchors are never neighbours, so that half the place tells them apart.
    var indices: [Int32] = Array(repeating: 0, count: text.count / 2 + 1)
    for (index, anchor) in anchors.enumerated() { indices[Int(anchor) / 2] = Int32(index) }
    var names: [Int32] = Array(repeating: 0, count: anchors.count)
    var count = 0
    var previous = -1
    for anchor in stretches {
      let index = Int(indices[Int(anchor) / 2])
      if previous >= 0 && areEqual(previous, index) { count -= 1 }
      names[index] = Int32(count)
      count += 1
      previous = index
    }
    return (names, count)
  }

  private func areEqual(_ left: Int, _ right: Int) -> Bool {
    guard left + 1 < anchors.count && right + 1 < anchors.count else { return false }
    let start = Int(anchors[left])
    let other = Int(anchors[right])
    let length = Int(anchors[left + 1]) - start
    guard Int(anchors[right + 1]) - other == length else { return false }
    for offset in 0...length where text[start + offset] != text[other + offset] { return false }
    return true
  }
}
