internal import Bytes

/// Follows the records of a section of notes while they are decoded, to find a build's id.
///
/// An id is a digest: no model knows anything of it, and it says nothing of what comes after.
struct NoteWalk: Sendable {
  private static let typeBuildID: UInt32 = 3
  /// `GNU`, ended by a NUL.
  private static let nameGNU: UInt32 = 0x55_4e47

  /// Where the next record begins.
  private var next: Int
  /// The id of the last record, if it has one.
  private var digest = 0..<0

  /// Starts at the first record of a section.
  init(start: Int) { next = start }

  /// Whether the byte at `place` is one of an id; all bytes before it are decoded.
  mutating func isDigest(at place: Int, _ target: Span<UInt8>) -> Bool {
    while next &+ 16 <= place {
      let name = Int(target.word(next))
      let count = Int(target.word(next &+ 4))
      let body = next &+ 12 &+ (name &+ 3) & ~3
      let isBuildID =
        target.word(next &+ 8) == Self.typeBuildID && name == 4
        && target.word(next &+ 12) == Self.nameGNU
      digest = isBuildID ? body..<body &+ count : 0..<0
      next = body &+ (count &+ 3) & ~3
    }
    return digest.contains(place)
  }
}

extension BinaryCoder {
  /// Codes `count` bits of which nothing is known.
  mutating func codeRaw(_ value: UInt8, count: Int) -> UInt8 {
    var result = 0
    for position in (0..<count).reversed() {
      result = result << 1 | code(Int(value) >> position & 1, probability: 32_768)
    }
    return UInt8(truncatingIfNeeded: result)
  }
}
