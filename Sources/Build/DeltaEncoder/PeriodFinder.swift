internal import DeltaModel

/// Finds after how many bytes a file goes on likewise: the records of a table, the samples of a sound, the
/// pixels of a picture.
enum PeriodFinder {
  /// What is taken where nothing is found: it serves as well as any.
  private static let usual = 16
  /// So many places are looked at, evenly spread.
  private static let sampleCount = 4096
  /// A period has to be better than the usual one by this part.
  private static let advantage = 5

  /// Returns the period of `bytes`, from 1 to `DeltaHeader.longestPeriod`.
  static func period(of bytes: [UInt8]) -> Int {
    let longest = DeltaHeader.longestPeriod
    guard bytes.count > 2 * longest else { return usual }
    // An odd step meets all columns.
    let step = (bytes.count - longest - 1) / sampleCount | 1
    let places = stride(from: longest, to: bytes.count, by: step)
    let scores = (1...longest).map { period in
      places.reduce(0) { $0 + likeness(bytes[$1], bytes[$1 - period]) }
    }
    let needed = scores[usual - 1] + scores[usual - 1] / advantage
    var best = usual
    // Multiples of a period are as good, so a later one has to be better to count.
    for period in 2...longest
    where scores[period - 1] > max(needed, scores[best - 1] + scores[best - 1] / 64) {
      best = period
    }
    return best
  }

  private static func likeness(_ left: UInt8, _ right: UInt8) -> Int {
    let distance = left > right ? left - right : right - left
    return distance == 0 ? 4 : distance < 4 ? 1 : 0
  }
}
