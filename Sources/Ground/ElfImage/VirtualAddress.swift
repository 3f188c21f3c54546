/// An address in the image as it is linked, from the image's own zero; never a file offset.
package struct VirtualAddress: Hashable, Comparable, Sendable {
  /// The number.
  package let rawValue: UInt64

  /// Wraps a number that the file gives as an address.
  package init(_ rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Orders by number.
  package static func < (left: VirtualAddress, right: VirtualAddress) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension VirtualAddress: CustomStringConvertible {
  /// The number in hexadecimal, as readelf prints it.
  package var description: String { "0x\(String(rawValue, radix: 16))" }
}
