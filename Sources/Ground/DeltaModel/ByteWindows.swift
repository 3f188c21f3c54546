extension Span where Element == UInt8 {
  /// The byte at `offset`, or zero outside.
  @inline(__always)
  func byte(_ offset: Int) -> Int {
    offset >= 0 && offset < count ? Int(self[offset]) : 0
  }

  /// The four bytes at `offset` as a little-endian number, zeros outside.
  @inline(__always)
  func word(_ offset: Int) -> UInt32 {
    guard offset >= 0 && offset &+ 4 <= count else {
      return (0..<4).reduce(0 as UInt32) { $0 | UInt32(byte(offset &+ $1)) << UInt32(8 &* $1) }
    }
    let part = extracting(offset..<offset &+ 4)
    return UInt32(part[0]) | UInt32(part[1]) << 8 | UInt32(part[2]) << 16 | UInt32(part[3]) << 24
  }

  /// The `count` bytes at `offset` as a little-endian number, zeros outside; at most eight.
  @inline(__always)
  package func little(_ offset: Int, _ count: Int) -> UInt64 {
    if count == 4 && offset >= 0 && offset <= self.count &- 4 { return UInt64(word(offset)) }
    var value: UInt64 = 0
    var index = count
    if offset >= 0 && offset <= self.count &- count {
      while index > 0 {
        index &-= 1
        value = value << 8 | UInt64(self[offset &+ index])
      }
    } else {
      while index > 0 {
        index &-= 1
        value = value << 8 | UInt64(byte(offset &+ index))
      }
    }
    return value
  }
}
