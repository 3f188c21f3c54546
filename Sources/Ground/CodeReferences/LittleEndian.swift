/// Numbers as 64-bit little-endian ELF files store them.
///
/// Total: what does not lie in the bytes is 0, so that no offset from a file can stop the process.
/// The part is taken out first because its bounds are then checked once, and its bytes become one load.
extension Span where Element == UInt8 {
  /// Returns the two bytes at `offset` as a number.
  @inline(__always)
  func littleEndian16(at offset: Int) -> UInt16 {
    guard offset >= 0, offset <= count &- 2 else { return 0 }
    let part = extracting(offset..<offset &+ 2)
    return UInt16(part[0]) | UInt16(part[1]) << 8
  }

  /// Returns the four bytes at `offset` as a number.
  @inline(__always)
  func littleEndian32(at offset: Int) -> UInt32 {
    guard offset >= 0, offset <= count &- 4 else { return 0 }
    let part = extracting(offset..<offset &+ 4)
    return UInt32(part[0]) | UInt32(part[1]) << 8 | UInt32(part[2]) << 16 | UInt32(part[3]) << 24
  }

  /// Returns the eight bytes at `offset` as a number.
  @inline(__always)
  func littleEndian64(at offset: Int) -> UInt64 {
    guard offset >= 0, offset <= count &- 8 else { return 0 }
    let part = extracting(offset..<offset &+ 8)
    let low =
      UInt64(part[0]) | UInt64(part[1]) << 8 | UInt64(part[2]) << 16 | UInt64(part[3]) << 24
    let high =
      UInt64(part[4]) | UInt64(part[5]) << 8 | UInt64(part[6]) << 16 | UInt64(part[7]) << 24
    return low | high << 32
  }

  /// Returns the four bytes at `offset` as a signed number, extended to 64 bits.
  @inline(__always)
  func signed32(at offset: Int) -> UInt64 {
    UInt64(bitPattern: Int64(Int32(bitPattern: littleEndian32(at: offset))))
  }
}

extension MutableSpan where Element == UInt8 {
  /// Replaces the eight bytes at `offset`, which must be there, by `value`, lowest first.
  @inline(__always)
  mutating func store(_ value: UInt64, at offset: Int) {
    // The bounds of all are checked once, and the bytes become one store.
    precondition(offset >= 0 && offset <= count &- 8)
    for index in 0..<8 {
      self[offset &+ index] = UInt8(truncatingIfNeeded: value &>> (8 &* UInt64(index)))
    }
  }
}

extension [UInt8] {
  /// Appends the lowest `count` bytes of `value`, lowest first.
  mutating func append(littleEndian value: UInt64, count: Int) {
    for index in 0..<count { append(UInt8(truncatingIfNeeded: value >> (8 &* UInt64(index)))) }
  }

  /// Replaces the bytes at `offset` by `value`, lowest first; does nothing when they are not all there.
  mutating func store(_ value: UInt32, at offset: Int) {
    guard offset >= 0, offset <= count &- 4 else { return }
    for index in 0..<4 { self[offset &+ index] = UInt8(truncatingIfNeeded: value >> (8 &* index)) }
  }
}
