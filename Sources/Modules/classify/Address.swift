/// An IP address as one number of 128 bits; IPv4 fills the highest 32.
struct Address {
  let high: UInt64
  let low: UInt64

  /// The sixteen bytes of an address field of upf/slots.h.
  typealias Field = (
    UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8,
    UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8
  )

  /// Takes the bytes of `field`, the first as the highest.
  @inline(always)
  init(_ field: Field) {
    // SAFETY: the field has sixteen bytes, and any bytes make a number.
    (high, low) = unsafe withUnsafeBytes(of: field) { bytes in
      unsafe (
        bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self).bigEndian,
        bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian
      )
    }
  }

  /// Returns whether the first `length` bits, at most 128, are those of `other`.
  @inline(always)
  func matches(_ other: Address, prefix length: UInt8) -> Bool {
    let difference = (high ^ other.high, low ^ other.low)
    // A Swift shift by 64 or more leaves nothing.
    if length <= 64 { return difference.0 & ~(UInt64.max >> UInt64(length)) == 0 }
    return difference.0 == 0 && difference.1 & ~(UInt64.max >> UInt64(length &- 64)) == 0
  }
}
