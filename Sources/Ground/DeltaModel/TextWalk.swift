internal import Bytes

/// Follows text: lines, fields of lines, words.
///
/// Tables, logs and lists repeat the line before, often with a number that is one higher.
struct TextWalk: Sendable {
  /// Of longer numbers only so many digits are looked at.
  private static let longestNumber = 16

  /// Where the line in progress and the one before it start; the latter -1 at first.
  private(set) var line = 0
  private var before = -1
  /// How many fields of the line are complete, and a hash of the bytes of the one in progress.
  private(set) var field = 0
  private(set) var fieldHash: UInt64 = 0
  /// Hashes of the word in progress, or 0, and of the one before.
  private(set) var word: UInt64 = 0
  private(set) var wordBefore: UInt64 = 0

  /// Takes note of the byte at `place`.
  @inline(__always)
  mutating func add(_ byte: UInt8, at place: Int) {
    if byte == 0x0a {
      before = line
      line = place &+ 1
      (field, fieldHash) = (0, 0)
    } else if Self.isSeparator(byte) {
      field &+= 1
      fieldHash = 0
    } else {
      fieldHash = Self.step(fieldHash, byte)
    }
    let letter = byte | 0x20
    if letter >= 0x61 && letter <= 0x7a || byte >= 0x80 {
      word = Self.step(word, byte)
    } else if word != 0 {
      (wordBefore, word) = (word, 0)
    }
  }

  /// Returns the byte of the line before in the column of `place`, and what it is if the number that it
  /// is a digit of is one higher now; zeros where there is none.
  func above(_ place: Int, _ target: Span<UInt8>) -> (byte: Int, counted: Int) {
    var spot = before &+ place &- line
    guard before >= 0, spot < line else { return (0, 0) }
    let byte = target.byte(spot)
    guard Self.isDigit(byte) else { return (byte, byte) }
    spot &+= 1
    var nines = 0
    while spot < line, target.byte(spot) == 0x39, nines < Self.longestNumber {
      spot &+= 1
      nines &+= 1
    }
    // Only nines behind it: the digit counts.
    if Self.isDigit(target.byte(spot)) { return (byte, byte) }
    return (byte, byte == 0x39 ? 0x30 : byte &+ 1)
  }

  @inline(__always)
  private static func isDigit(_ byte: Int) -> Bool { byte >= 0x30 && byte <= 0x39 }

  @inline(__always)
  private static func isSeparator(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x2c || byte == 0x3a || byte == 0x3b
  }

  @inline(__always)
  private static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
    (hash ^ (UInt64(byte) &+ 1)) &* 0x9e37_79b9_7f4a_7c15
  }
}
