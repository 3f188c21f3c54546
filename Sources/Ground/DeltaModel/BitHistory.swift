/// What a context has seen of one bit, in one byte: how many zeros and ones, as far as that is worth
/// knowing, and which came last (docs/format.md, "Delta codec 3: plain").
///
/// A count grows up to a limit that is the lower the more there was of the other bit, and what comes makes
/// most of what spoke against it forgotten. What a history means for the next bit is learned elsewhere.
struct BitHistory: Sendable {
  /// By the smaller of both counts, how large the larger one can be.
  private static let limits = [30, 30, 12, 6, 5, 5]
  /// Numbers of histories are below this; 0 is that of nothing seen.
  static let count = 256
  /// What a history means is at first taken for what so many bits have shown.
  private static let startCount: UInt32 = 60

  /// By number and bit the history that follows.
  let next: [UInt8]
  /// By number how many bits are remembered.
  let total: [UInt8]
  /// By number what the history means as long as nothing is known of that: an adaptive bit.
  let start: [UInt32]

  /// The one set of tables.
  static let shared = BitHistory()

  private init() {
    let keys = Key.all
    precondition(keys.count <= Self.count, "a history is one byte")
    next = (0..<2 * Self.count).map { index in
      guard index >> 1 < keys.count else { return 0 }
      let after = keys[index >> 1].followed(by: index & 1)
      return UInt8(keys.firstIndex(of: after) ?? 0)
    }
    let padded = keys + Array(repeating: Key(), count: Self.count - keys.count)
    total = padded.map { UInt8($0.zeros + $0.ones) }
    start = padded.map { $0.probability << 10 | Self.startCount }
  }

  private static func limit(_ smaller: Int) -> Int {
    smaller < limits.count ? limits[smaller] : -1
  }

  /// A history before it has a number; the last bit counts only where both were seen.
  private struct Key: Equatable {
    var zeros = 0
    var ones = 0
    var last = 0

    /// All histories, those of fewer bits first.
    static var all: [Key] {
      let most = BitHistory.limits[0]
      return (0...2 * most).flatMap { total in
        (0...total).flatMap { ones in
          (0...1).map { Key(zeros: total - ones, ones: ones, last: $0) }
        }
      }.filter { $0.isPossible }
    }

    private var isPossible: Bool {
      max(zeros, ones) <= BitHistory.limit(min(zeros, ones)) && (last == 0 || min(zeros, ones) > 0)
    }

    /// The share of ones, in 22 bits, as if half of a bit of each kind had been seen besides.
    var probability: UInt32 { UInt32((2 * ones + 1) << 21 / (zeros + ones + 1)) }

    func followed(by bit: Int) -> Key {
      let (same, other) = bit == 0 ? (zeros, ones) : (ones, zeros)
      let faded = other < 3 ? other : Int.bitWidth - other.leadingZeroBitCount
      let grown = min(same + 1, BitHistory.limit(faded))
      return Key(
        zeros: bit == 0 ? grown : faded, ones: bit == 0 ? faded : grown,
        last: faded > 0 ? bit : 0)
    }
  }
}
