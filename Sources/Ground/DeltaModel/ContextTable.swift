/// The memory of the byte models: lines of 16 words, a check and the 15 nodes of half a byte.
///
/// A line is a cache line. It is found by hash in one of two neighbouring places and told from others
/// by 24 bits of check; when neither is it, the one that has seen less makes room.
///
/// Words of a line are reached without a check of bounds: a line starts at a multiple of 16 that is below
/// the number of words, itself a multiple of 16, and has nodes 0 to 15.
package struct ContextTable: Sendable {
  /// Words of a line.
  static let lineWords = 16

  /// The lines, one after the other.
  var words: [UInt32]

  /// Makes 2^`bits` lines of 64 bytes.
  package init(bits: Int) {
    // No context has a check of zero: nobody finds these lines, and who takes one fills it.
    words = Array(repeating: 0, count: Self.lineWords << bits)
  }

  /// Returns where the lines of `contexts` start; `above` says which half of the byte they are for.
  @inline(__always)
  static func lines<let n: Int>(
    _ contexts: InlineArray<n, ContextHash>, above: Int, in words: inout MutableSpan<UInt32>
  ) -> InlineArray<n, Int> {
    var hashes = InlineArray<n, UInt64>(repeating: 0)
    var lines = InlineArray<n, Int>(repeating: 0)
    let mask = words.count &>> 4 &- 1
    // All lines are asked for before any is looked at, so that memory brings them all at once: the second
    // places too, which therefore count as they were before any of these lines was made.
    var others: UInt32 = 0
    var seconds = InlineArray<n, UInt32>(repeating: 0)
    for index in 0..<n {
      let hash = contexts[index].with(index << 8 | above).value
      let first = (Int(truncatingIfNeeded: hash & 0xffff_ffff) & mask) &* lineWords
      others |= unsafe words[unchecked: first] ^ check(hash)
      seconds[index] = unsafe words[unchecked: first ^ lineWords]
      hashes[index] = hash
      lines[index] = first
    }
    guard others != 0 else { return lines }
    for index in 0..<n {
      lines[index] = line(hashes[index], first: lines[index], second: seconds[index], in: &words)
    }
    return lines
  }

  @inline(__always)
  private static func check(_ hash: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: hash >> 40) | 1
  }

  /// Returns where the line of `hash` starts, after making it if it was not there; `given` is the check that
  /// its second place had before any line of this half was made.
  @inline(__always)
  private static func line(
    _ hash: UInt64, first: Int, second given: UInt32, in words: inout MutableSpan<UInt32>
  ) -> Int {
    let check = check(hash)
    if words[first] == check { return first }
    let second = first ^ lineWords
    if given == check && words[second] == check { return second }
    let older = words[first &+ 1] & CodingTables.countLimit
    let other = words[second &+ 1] & CodingTables.countLimit
    let start = older <= other ? first : second
    words[start] = check
    for node in 1..<lineWords { unsafe words[unchecked: start &+ node] = AdaptiveBit.unseen }
    return start
  }

  /// Lets the four nodes on the way to `value` see its bits.
  @inline(__always)
  static func rehearse<let n: Int>(
    _ value: Int, lines: InlineArray<n, Int>, limit: UInt32, rates: ConstantTable<UInt32>,
    in words: inout MutableSpan<UInt32>
  ) {
    for index in 0..<n {
      for position in 0..<4 {
        let node = (16 | value & 15) >> (4 &- position)
        let place = lines[index] &+ node
        unsafe words[unchecked: place] = AdaptiveBit.updated(
          unsafe words[unchecked: place], bit: value >> (3 &- position) & 1, limit: limit,
          rates: rates)
      }
    }
  }
}
