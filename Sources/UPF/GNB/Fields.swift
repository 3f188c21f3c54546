extension Span<UInt8> {
  /// Reads a big-endian number of two bytes at `offset`.
  func big16(at offset: Int) -> UInt16 { UInt16(self[offset]) << 8 | UInt16(self[offset + 1]) }

  /// Reads a big-endian number of four bytes at `offset`.
  func big32(at offset: Int) -> UInt32 {
    UInt32(big16(at: offset)) << 16 | UInt32(big16(at: offset + 2))
  }

  /// Reads a big-endian number of eight bytes at `offset`.
  func big64(at offset: Int) -> UInt64 {
    UInt64(big32(at: offset)) << 32 | UInt64(big32(at: offset + 4))
  }
}

extension MutableSpan<UInt8> {
  /// Writes a big-endian number at `offset`.
  mutating func put<T: FixedWidthInteger & UnsignedInteger>(_ value: T, at offset: Int) {
    for index in 0..<T.bitWidth / 8 {
      self[offset + index] = UInt8(truncatingIfNeeded: value >> T(T.bitWidth - 8 - 8 * index))
    }
  }
}

/// The checksum of IP, UDP and TCP (RFC 1071).
enum InternetChecksum {
  /// Adds the bytes in `range` to a running sum; `range` starts at an even place of what is summed.
  static func sum(_ bytes: Span<UInt8>, _ range: Range<Int>, _ start: UInt32 = 0) -> UInt32 {
    var sum = UInt64(start)
    var offset = range.lowerBound
    while offset + 1 < range.upperBound {
      sum += UInt64(bytes.big16(at: offset))
      offset += 2
    }
    if offset < range.upperBound { sum += UInt64(bytes[offset]) << 8 }
    return folded(sum)
  }

  /// Adds two numbers of the running sum.
  static func folded(_ sum: UInt64) -> UInt32 {
    var sum = sum
    while sum >> 16 != 0 { sum = (sum & 0xffff) + (sum >> 16) }
    return UInt32(sum)
  }

  /// The field for a running sum.
  static func field(_ sum: UInt32) -> UInt16 { ~UInt16(truncatingIfNeeded: folded(UInt64(sum))) }
}
