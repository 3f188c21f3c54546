/// Collects bytes in the order in which they are written.
package struct ByteWriter: Sendable {
  /// Everything written so far.
  package private(set) var bytes: [UInt8] = []

  /// Starts empty.
  package init() {}

  /// How many bytes were written.
  package var count: Int { bytes.count }

  /// Appends `value`, least significant byte first.
  package mutating func little<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
    for shift in stride(from: 0, to: T.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> T(shift)))
    }
  }

  /// Appends `value`, most significant byte first.
  package mutating func big<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
    little(value.byteSwapped)
  }

  /// Appends `more` as it is.
  package mutating func append(_ more: some Sequence<UInt8>) {
    bytes.append(contentsOf: more)
  }
}
