internal import Bytes

/// The digits of the hashes in the names of Rust's symbols: sixteen, behind `17h`.
///
/// They change with every build, and then all of them; no model knows anything of them.
enum HashDigits {
  private static let count = 16
  private static let mark: (Int, Int, Int) = (0x31, 0x37, 0x68)

  /// How many digits of a hash stand before `place`, or nil if what comes there is none.
  static func index(of place: Int, _ target: Span<UInt8>) -> Int? {
    var digits = 0
    while digits < count, isDigit(target.byte(place &- 1 &- digits)) { digits &+= 1 }
    let end = place &- 1 &- digits
    guard digits < count, target.byte(end) == mark.2, target.byte(end &- 1) == mark.1,
      target.byte(end &- 2) == mark.0
    else { return nil }
    return digits
  }

  /// Whether one of the digits before `place` is another than before `old` of the base.
  static func hasChanged(
    _ place: Int, _ target: Span<UInt8>, _ old: Int, _ base: Span<UInt8>
  ) -> Bool {
    guard let digits = index(of: place, target) else { return false }
    for index in 0..<digits where target.byte(place &- 1 &- index) != base.byte(old &- 1 &- index) {
      return true
    }
    return false
  }

  @inline(__always)
  static func isDigit(_ byte: Int) -> Bool {
    byte >= 0x30 && byte <= 0x39 || byte >= 0x61 && byte <= 0x66
  }
}

extension BinaryCoder {
  /// Codes a digit, as a number; nil if the byte is none.
  mutating func codeHashDigit(_ byte: UInt8) -> UInt8? {
    guard code(HashDigits.isDigit(Int(byte)) ? 0 : 1, probability: 64) == 0 else { return nil }
    let digit = codeRaw(byte < 0x40 ? byte & 15 : byte &- 0x57, count: 4)
    return digit < 10 ? 0x30 | digit : 0x57 &+ digit
  }
}
