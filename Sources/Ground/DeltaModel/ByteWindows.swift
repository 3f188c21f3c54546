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
    let low = UInt32(self[offset]) | UInt32(self[offset &+ 1]) << 8
    return low | UInt32(self[offset &+ 2]) << 16 | UInt32(self[offset &+ 3]) << 24
  }
}
