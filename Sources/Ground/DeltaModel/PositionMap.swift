/// Where the bytes of the base went: the covers, seen from the base.
///
/// Where covers overlap in the base, the longest one counts. Both sides of a delta make the map from the
/// same covers.
package struct PositionMap: Sendable {
  /// A stretch of the base that went to one place.
  struct Segment: Sendable {
    let base: Int32
    let end: Int32
    /// What has to be added to a place in the base.
    let shift: Int32
  }

  /// Stretches, ascending and apart.
  let segments: [Segment]
  /// For each 2^`bucketBits` bytes of the base the first segment that ends behind their start.
  private let buckets: [Int32]
  private static let bucketBits = 10

  /// Turns `covers` round.
  ///
  /// - Complexity: O(n log n) in the number of covers, plus one step per 1024 bytes of the base.
  package init(_ covers: [Cover], baseSize: Int) {
    segments = Self.segments(covers)
    buckets = Self.buckets(segments, baseSize: baseSize)
  }

  /// Returns where the byte at `place` of the base went, or nil if no cover has it.
  @inline(__always)
  package func target(of place: Int) -> Int? {
    let index = firstEnding(after: place)
    guard index < segments.count, Int(segments[index].base) <= place else { return nil }
    return place &+ Int(segments[index].shift)
  }

  /// Index of the first segment that ends behind `place`; their number if there is none.
  @inline(__always)
  func firstEnding(after place: Int) -> Int {
    guard place >= 0 else { return 0 }
    let bucket = place >> Self.bucketBits
    guard bucket < buckets.count else { return segments.count }
    var index = Int(buckets[bucket])
    while index < segments.count && Int(segments[index].end) <= place { index &+= 1 }
    return index
  }

  private static func buckets(_ segments: [Segment], baseSize: Int) -> [Int32] {
    var index = 0
    return (0..<(baseSize >> bucketBits) + 1).map { bucket in
      while index < segments.count && Int(segments[index].end) <= bucket << bucketBits {
        index += 1
      }
      return Int32(truncatingIfNeeded: index)
    }
  }

  /// Sweeps over the base; of the covers that hold a byte, the longest (of those, the first) has it.
  private static func segments(_ covers: [Cover]) -> [Segment] {
    let order = covers.indices.sorted {
      (covers[$0].base, -covers[$0].count, $0) < (covers[$1].base, -covers[$1].count, $1)
    }
    var result: [Segment] = []
    var heap = CoverHeap(covers)
    var next = 0
    var place = 0
    while next < order.count || !heap.isEmpty {
      if heap.isEmpty { place = max(place, covers[order[next]].base) }
      while next < order.count, covers[order[next]].base <= place {
        heap.insert(order[next])
        next += 1
      }
      while let longest = heap.first, covers[longest].baseEnd <= place { heap.removeFirst() }
      guard let longest = heap.first else { continue }
      var end = covers[longest].baseEnd
      if next < order.count { end = min(end, covers[order[next]].base) }
      append(Segment(covers[longest], from: place, to: end), to: &result)
      place = end
    }
    return result
  }

  private static func append(_ segment: Segment, to segments: inout [Segment]) {
    if let last = segments.last, last.end == segment.base, last.shift == segment.shift {
      segments[segments.count - 1] = Segment(last, to: segment.end)
    } else {
      segments.append(segment)
    }
  }
}

extension PositionMap.Segment {
  fileprivate init(_ cover: Cover, from start: Int, to end: Int) {
    base = Int32(truncatingIfNeeded: start)
    self.end = Int32(truncatingIfNeeded: end)
    shift = Int32(truncatingIfNeeded: -cover.diagonal)
  }

  fileprivate init(_ segment: PositionMap.Segment, to end: Int32) {
    base = segment.base
    self.end = end
    shift = segment.shift
  }
}

/// Covers by length, the longest first, of those the one that comes first in the target.
private struct CoverHeap {
  private let covers: [Cover]
  private var entries: [Int] = []

  init(_ covers: [Cover]) { self.covers = covers }

  var isEmpty: Bool { entries.isEmpty }
  var first: Int? { entries.first }

  mutating func insert(_ cover: Int) {
    entries.append(cover)
    var place = entries.count - 1
    while place > 0, precedes(place, (place - 1) / 2) {
      entries.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  mutating func removeFirst() {
    entries.swapAt(0, entries.count - 1)
    entries.removeLast()
    var place = 0
    while 2 * place + 1 < entries.count {
      var child = 2 * place + 1
      if child + 1 < entries.count, precedes(child + 1, child) { child += 1 }
      guard precedes(child, place) else { return }
      entries.swapAt(place, child)
      place = child
    }
  }

  private func precedes(_ left: Int, _ right: Int) -> Bool {
    let (first, second) = (entries[left], entries[right])
    let (longer, shorter) = (covers[first].count, covers[second].count)
    return longer > shorter || longer == shorter && first < second
  }
}
