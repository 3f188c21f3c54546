/// How large a file is by itself, roughly, as a compressor makes it that takes the first repeat it meets.
///
/// It tells in no time whether it is worth minutes to find out: files that hold much twice are seldom more than
/// `roughness` times smaller than this.
///
/// Complexity: linear; 1 MiB of memory at most.
enum RoughSize {
  /// The best that is known is no smaller than this part of it, as far as was seen.
  static let roughness = 3
  /// Bytes that lead to a repeat, and what one takes.
  private static let order = 6
  private static let repeatCost = 3

  /// Returns the size in bytes.
  static func estimate(of target: [UInt8]) -> Int {
    let bits = min(18, max(10, Int.bitWidth - target.count.leadingZeroBitCount))
    var places = Array(repeating: Int32(-1), count: 1 << bits)
    var (place, size) = (0, 0)
    while place + order <= target.count {
      var six: UInt64 = 0
      for index in place..<place + order { six = six << 8 | UInt64(target[index]) }
      let slot = Int(truncatingIfNeeded: (six &* 0x9e37_79b9_7f4a_7c15) >> UInt64(64 - bits))
      let other = Int(places[slot])
      places[slot] = Int32(truncatingIfNeeded: place)
      var length = 0
      if other >= 0 {
        while place + length < target.count && target[other + length] == target[place + length] {
          length += 1
        }
      }
      size += length < order ? 1 : repeatCost
      place += length < order ? 1 : length
    }
    return size + target.count - place
  }
}
