/// Where things start that follow one another, for finding the one at a place.
///
/// What lies between the first start and the last is cut into at most 1024 equal stretches. For each it is known how
/// many starts lie before it, so that a search mostly has one or two left to compare: references are looked up by the
/// million, in files of some thirty sections.
package struct AscendingStarts: Sendable {
  private static let stretchBits = 10

  private let starts: [UInt64]
  private let first: UInt64
  /// A stretch has two to this many places.
  private let shift: UInt64
  /// For each stretch how many starts lie before it, and at last how many there are.
  private let counts: [Int32]

  /// Takes starts that ascend, of which some may be the same.
  ///
  /// - Complexity: O(n).
  package init(_ starts: [UInt64]) {
    self.starts = starts
    let first = starts.first ?? .max
    let reach = (starts.last ?? first) &- first
    let bits = UInt64.bitWidth - reach.leadingZeroBitCount
    let shift = UInt64(max(0, bits - Self.stretchBits))
    var counts: [Int32] = []
    for (index, start) in starts.enumerated() {
      while counts.count <= Int((start &- first) >> shift) {
        counts.append(Int32(truncatingIfNeeded: index))
      }
    }
    (self.first, self.shift) = (first, shift)
    self.counts = (counts.isEmpty ? [0] : counts) + [Int32(truncatingIfNeeded: starts.count)]
  }

  /// The start of this index, which there must be.
  subscript(index: Int) -> UInt64 { starts[index] }

  /// The index of the last start that is not above `place`, or -1.
  ///
  /// - Complexity: O(log n), and O(1) where starts are spread.
  @inline(__always)
  package func last(atOrBelow place: UInt64) -> Int {
    guard place >= first else { return -1 }
    let stretch = Int(min((place &- first) &>> shift, UInt64(counts.count &- 2)))
    var low = Int(counts[stretch])
    var high = Int(counts[stretch &+ 1])
    while low < high {
      let middle = (low &+ high) >> 1
      if starts[middle] <= place { low = middle &+ 1 } else { high = middle }
    }
    return low &- 1
  }
}
