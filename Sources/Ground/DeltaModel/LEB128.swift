internal import Bytes

/// Unsigned numbers in groups of seven bits, least significant first; one spelling per number.
enum LEB128 {
  /// How many bytes `value` takes.
  static func count(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }

  /// The bytes of `value`.
  static func bytes(_ value: UInt64) -> [UInt8] {
    var rest = value
    var bytes: [UInt8] = []
    while rest > 0x7f {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
    return bytes
  }

  /// Reads one number; more than 63 bits or a needless last byte is an error.
  static func read(_ reader: inout ByteReader) throws(FormatError) -> UInt64 {
    let start = reader.position
    var value: UInt64 = 0
    for shift in stride(from: 0 as UInt64, to: 63, by: 7) {
      let byte = try reader.byte()
      value |= UInt64(byte & 0x7f) << shift
      if byte & 0x80 == 0 {
        guard byte != 0 || shift == 0 else {
          throw FormatError(.notCanonical("the number"), at: start)
        }
        return value
      }
    }
    throw FormatError(.illegal("a number of more than 63 bits"), at: start)
  }
}
