internal import Bytes

/// Names that end with NUL, found by offset.
struct StringTable {
  private let bytes: [UInt8]
  private let range: Range<UInt64>
  private var copied: UInt64 = 0

  /// Takes the names in `range` of `bytes`.
  init(_ bytes: [UInt8], in range: Range<UInt64>) throws(FormatError) {
    _ = try ByteReader(bytes, in: range)
    self.bytes = bytes
    self.range = range
  }

  /// Returns the name that starts `offset` bytes into the table; bytes that are not UTF-8 are replaced.
  mutating func string(at offset: UInt64) throws(FormatError) -> String {
    guard offset < range.upperBound - range.lowerBound else {
      throw FormatError(.illegal("a name outside of its table"), at: Int(range.lowerBound))
    }
    let start = Int(range.lowerBound + offset)
    guard
      let end = bytes[start..<Int(range.upperBound)].prefix(Int(ElfLimits.name)).firstIndex(of: 0)
    else {
      throw FormatError(
        .illegal("a name without end, or of more than \(ElfLimits.name) bytes"), at: start)
    }
    copied += UInt64(end - start)
    guard copied <= ElfLimits.names else {
      throw FormatError(
        .overLimit("size of all names", found: copied, limit: ElfLimits.names), at: start)
    }
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }
}
