/// Where instructions, records and strings of a file begin, with numbers for them.
///
/// One bit for each byte, and the number of bits before each block of 512, so that a cover's place can
/// be said as "so many starts on" in a few bits.
package struct StartIndex: Sendable {
  /// Bits of a block.
  private static let blockBits = 512
  private let words: [UInt64]
  private let blocks: [UInt32]
  /// How many starts there are.
  package let count: Int

  /// Numbers the starts that `bitmap` holds.
  init(_ bitmap: StartBitmap) {
    words = bitmap.words
    var counts: [UInt32] = []
    counts.reserveCapacity(words.count / 8 + 1)
    var total = 0
    for (index, word) in words.enumerated() {
      if index & 7 == 0 { counts.append(UInt32(truncatingIfNeeded: total)) }
      total &+= word.nonzeroBitCount
    }
    blocks = counts
    count = total
  }

  /// Whether something begins at `offset`.
  @inline(__always)
  package func contains(_ offset: Int) -> Bool {
    guard offset >= 0, offset >> 6 < words.count else { return false }
    return words[offset >> 6] >> UInt64(offset & 63) & 1 != 0
  }

  /// How many starts lie before `offset`.
  ///
  /// - Complexity: O(1).
  package func rank(_ offset: Int) -> Int {
    guard offset > 0 else { return 0 }
    guard offset >> 6 < words.count else { return count }
    let block = offset / Self.blockBits
    var rank = Int(blocks[block])
    for word in block &* 8..<offset >> 6 { rank &+= words[word].nonzeroBitCount }
    let below = (UInt64(1) << UInt64(offset & 63)) &- 1
    return rank &+ (words[offset >> 6] & below).nonzeroBitCount
  }

  /// The offset of the start with the number `rank`, the first being 0, or nil when there is none.
  ///
  /// - Complexity: O(log n).
  package func select(_ rank: Int) -> Int? {
    guard rank >= 0, rank < count else { return nil }
    var left = 0
    var right = blocks.count
    while right &- left > 1 {
      let middle = (left &+ right) / 2
      if Int(blocks[middle]) <= rank { left = middle } else { right = middle }
    }
    var missing = rank &- Int(blocks[left])
    for index in left &* 8..<words.count {
      let bits = words[index].nonzeroBitCount
      guard missing >= bits else { return index &* 64 &+ Self.place(of: missing, in: words[index]) }
      missing &-= bits
    }
    return nil
  }

  /// The last start at or before `offset`, or nil when there is none.
  ///
  /// - Complexity: O(log n).
  package func previous(_ offset: Int) -> Int? {
    contains(offset) ? offset : select(rank(offset) &- 1)
  }

  /// The bits of the 64 bytes from `offset`, a multiple of 64, on.
  @inline(__always)
  func word(at offset: Int) -> UInt64 {
    guard offset >= 0, offset >> 6 < words.count else { return 0 }
    return words[offset >> 6]
  }

  /// The place of the set bit before which `number` others stand.
  private static func place(of number: Int, in word: UInt64) -> Int {
    var rest = word
    for _ in 0..<number { rest &= rest &- 1 }
    return rest.trailingZeroBitCount
  }
}

/// The bits of a `StartIndex` while they are gathered.
struct StartBitmap {
  /// One bit for each byte of the file, lowest first.
  private(set) var words: [UInt64]

  /// Begins without a start in `byteCount` bytes.
  init(byteCount: Int) { words = Array(repeating: 0, count: (byteCount &+ 63) / 64) }

  /// Says that something begins at `offset`; does nothing beyond the end.
  @inline(__always)
  mutating func insert(_ offset: Int) {
    guard offset >= 0, offset >> 6 < words.count else { return }
    words[offset >> 6] |= 1 << UInt64(offset & 63)
  }

  /// Says that something begins wherever `other`, of as many bytes, says so.
  mutating func formUnion(_ other: StartBitmap) {
    for index in words.indices where index < other.words.count {
      words[index] |= other.words[index]
    }
  }

  /// Says that something begins at each multiple of `stride` in `range` that has a whole record.
  mutating func insert(every stride: Int, in range: Range<Int>) {
    var offset = range.lowerBound
    while offset <= range.upperBound &- stride {
      insert(offset)
      offset &+= stride
    }
  }
}
