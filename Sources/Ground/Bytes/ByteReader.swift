/// A forward-only, bounds-checked reader of a byte array.
///
/// A failed read leaves `position` unchanged, so that the error names the first byte of the field it
/// was reading. Offsets are those of the whole array, even when only a range of it is read.
package struct ByteReader: Sendable {
  private let bytes: [UInt8]

  /// Offset of the next unread byte.
  package private(set) var position: Int
  /// Offset past the last byte that may be read.
  package let end: Int

  /// Starts at the first of `bytes`.
  package init(_ bytes: [UInt8]) {
    self.bytes = bytes
    position = 0
    end = bytes.count
  }

  /// Reads only `range` of `bytes`, which must hold it.
  package init(_ bytes: [UInt8], in range: Range<UInt64>) throws(FormatError) {
    guard range.upperBound <= UInt64(bytes.count) else {
      throw FormatError(
        .truncated(missing: range.upperBound - UInt64(bytes.count)), at: bytes.count)
    }
    self.bytes = bytes
    position = Int(range.lowerBound)
    end = Int(range.upperBound)
  }

  /// How many bytes are left.
  package var remaining: Int { end - position }

  /// Reads one little-endian unsigned integer of `T`'s width.
  package mutating func little<T: FixedWidthInteger & UnsignedInteger>(
    _: T.Type = T.self
  ) throws(FormatError) -> T {
    let size = T.bitWidth / 8
    try require(UInt64(size))
    var value: T = 0
    for index in (0..<size).reversed() {
      value = value << 8 | T(truncatingIfNeeded: bytes[position + index])
    }
    position += size
    return value
  }

  /// Reads one big-endian unsigned integer of `T`'s width.
  package mutating func big<T: FixedWidthInteger & UnsignedInteger>(
    _: T.Type = T.self
  ) throws(FormatError) -> T {
    T(byteSwapped: try little(T.self))
  }

  /// Reads one byte.
  package mutating func byte() throws(FormatError) -> UInt8 { try little(UInt8.self) }

  /// Returns a copy of the next `count` bytes.
  package mutating func bytes(_ count: UInt64) throws(FormatError) -> [UInt8] {
    try require(count)
    defer { position += Int(count) }
    return Array(bytes[position..<position + Int(count)])
  }

  /// Moves past the next `count` bytes.
  package mutating func skip(_ count: UInt64) throws(FormatError) {
    try require(count)
    position += Int(count)
  }

  /// Throws unless every byte has been read.
  package func finish() throws(FormatError) {
    guard remaining == 0 else {
      throw FormatError(.trailing(count: UInt64(remaining)), at: position)
    }
  }

  private func require(_ count: UInt64) throws(FormatError) {
    guard count <= UInt64(remaining) else {
      throw FormatError(.truncated(missing: count - UInt64(remaining)), at: position)
    }
  }
}

extension FixedWidthInteger where Self: UnsignedInteger {
  fileprivate init(byteSwapped value: Self) { self = value.byteSwapped }
}
