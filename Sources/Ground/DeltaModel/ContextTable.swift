/// The memory of the byte models: lines of 16 words, a check and the 15 nodes of half a byte.
///
/// A line is a cache line. It is found by hash in one of two neighbouring places and told from others
/// by 24 bits of check; when neither is it, the one that has seen less makes room.
package struct ContextTable: Sendable {
  /// Words of a line.
  static let lineWords = 16

  /// The lines, one after the other.
  var words: [UInt32]

  /// Makes 2^`bits` lines of 64 bytes.
  package init(bits: Int) {
    words = Array(repeating: AdaptiveBit.unseen, count: Self.lineWords << bits)
    for line in 0..<1 << bits { words[line * Self.lineWords] = 0 }
  }

  /// Returns where the line of `hash` starts, after making it if it was not there.
  @inline(__always)
  static func line(_ hash: UInt64, in words: inout MutableSpan<UInt32>) -> Int {
    let check = UInt32(truncatingIfNeeded: hash >> 40) | 1
    let mask = words.count / lineWords &- 1
    let first = (Int(truncatingIfNeeded: hash & 0xffff_ffff) & mask) &* lineWords
    if words[first] == check { return first }
    let second = first ^ lineWords
    if words[second] == check { return second }
    let older = words[first &+ 1] & CodingTables.countLimit
    let other = words[second &+ 1] & CodingTables.countLimit
    let start = older <= other ? first : second
    words[start] = check
    for node in 1..<lineWords { words[start &+ node] = AdaptiveBit.unseen }
    return start
  }
}
