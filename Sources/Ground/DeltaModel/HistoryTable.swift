/// The memory of `PlainByteModel`: lines of 16 bytes, a check and the histories of the 15 nodes of half a byte.
///
/// A line is found by hash in one of two neighbouring places; when it is in neither, the one that has seen
/// less makes room. Bytes of a line are reached without a check of bounds: a line starts at a multiple of 16
/// that is below the number of bytes, itself a multiple of 16, and has nodes 0 to 15.
struct HistoryTable: Sendable {
  /// Bytes of a line.
  static let lineBytes = 16

  /// The lines, one after the other.
  var bytes: [UInt8]

  /// Makes 2^`bits` lines.
  init(bits: Int) {
    // No context has a check of zero: these lines are nobody's.
    bytes = Array(repeating: 0, count: Self.lineBytes << bits)
  }

  /// Returns where the lines of `contexts` start, in their order, after making those that were not there;
  /// `above` says which half of which byte they are for.
  @inline(__always)
  static func lines<let n: Int>(
    _ contexts: InlineArray<n, ContextHash>, above: Int, in bytes: inout MutableSpan<UInt8>
  ) -> InlineArray<n, Int> {
    var hashes = InlineArray<n, UInt64>(repeating: 0)
    var lines = InlineArray<n, Int>(repeating: 0)
    let mask = bytes.count &>> 4 &- 1
    // All lines are asked for before any is looked at, so that memory brings them all at once.
    var others: UInt8 = 0
    for index in 0..<n {
      let hash = contexts[index].with(index << 8 | above).value
      let first = (Int(truncatingIfNeeded: hash & 0xffff_ffff) & mask) &* lineBytes
      others |= unsafe bytes[unchecked: first] ^ check(hash)
      hashes[index] = hash
      lines[index] = first
    }
    guard others != 0 else { return lines }
    let histories = BitHistory.shared
    for index in 0..<n {
      lines[index] = line(hashes[index], first: lines[index], histories: histories, in: &bytes)
    }
    return lines
  }

  @inline(__always)
  private static func check(_ hash: UInt64) -> UInt8 {
    max(1, UInt8(truncatingIfNeeded: hash >> 56))
  }

  @inline(__always)
  private static func line(
    _ hash: UInt64, first: Int, histories: BitHistory, in bytes: inout MutableSpan<UInt8>
  ) -> Int {
    let check = check(hash)
    if bytes[first] == check { return first }
    let second = first ^ lineBytes
    if bytes[second] == check { return second }
    let older = histories.total[Int(bytes[first &+ 1])]
    let other = histories.total[Int(bytes[second &+ 1])]
    let start = older <= other ? first : second
    bytes[start] = check
    for node in 1..<lineBytes { unsafe bytes[unchecked: start &+ node] = 0 }
    return start
  }
}
