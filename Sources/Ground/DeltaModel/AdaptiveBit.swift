/// A probability that learns: 22 bits of probability of a one, 10 bits of count.
///
/// The first observations move it far, later ones less and less: after n bits it is close to the share
/// of ones among them, until the count reaches its limit and old bits begin to fade.
package enum AdaptiveBit {
  /// Nothing seen: one half.
  package static let unseen: UInt32 = 1 << 31

  /// Returns `slot` after it has seen `bit`; its count is at most `limit`.
  @inline(__always)
  static func updated(
    _ slot: UInt32, bit: Int, limit: UInt32, rates: ConstantTable<UInt32>
  ) -> UInt32 {
    let count = slot & CodingTables.countLimit
    let target: Int64 = bit == 0 ? 0 : (1 << 22) - 1
    // The count has ten bits: as many numbers as the table has rates.
    let step = ((target - Int64(slot >> 10)) &* Int64(unsafe rates[unchecked: Int(count)])) >> 16
    return slot &+ UInt32(truncatingIfNeeded: step) << 10 &+ (count < limit ? 1 : 0)
  }

  /// Probability of a one in 1/65536, as the coder takes it: never sure.
  @inline(__always)
  static func probability(_ slot: UInt32) -> Int { max(1, Int(slot >> 16)) }
}
