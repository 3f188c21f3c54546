import Testing
import TestSupport

@testable import DeltaModel

/// What no model can know is found where it stands, and nowhere else.
@Suite("Noise")
struct NoiseTests {
  @Test func `the id of a build is found behind another note`() {
    let property: [UInt8] = note(type: 5, name: "GNU", Array(repeating: 7, count: 16))
    let bytes = property + note(type: 3, name: "GNU", Array(repeating: 9, count: 20))
    #expect(digest(bytes) == property.count + 16..<bytes.count)
  }

  @Test func `other notes are none`() {
    #expect(digest(note(type: 3, name: "LLD", Array(repeating: 9, count: 20))) == nil)
    #expect(digest(note(type: 1, name: "GNU", Array(repeating: 9, count: 20))) == nil)
  }

  /// Lengths are whatever the bytes say.
  @Test(arguments: 0..<40 as Range<UInt64>)
  func `any bytes can be walked`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    _ = digest(generator.bytes(200, below: seed % 2 == 0 ? 4 : 256))
  }

  @Test func `the digits of a hash are counted`() {
    let name = Array("_ZN4core3fmt17h0123456789abcdefE".utf8)
    let found = name.indices.map { HashDigits.index(of: $0, name.span) }
    let first = 15
    #expect(found[first..<first + 16].elementsEqual((0..<16).map { Optional($0) }))
    #expect(found[..<first].allSatisfy { $0 == nil })
    #expect(found[(first + 16)...].allSatisfy { $0 == nil })
  }

  @Test func `a hash has changed from its first digit that is another on`() {
    let old = Array("17h00000000".utf8)
    let new = Array("17h00100000".utf8)
    let changed = (3..<11).map { HashDigits.hasChanged($0, new.span, $0, old.span) }
    #expect(changed == [false, false, false, true, true, true, true, true])
  }

  @Test func `digits take four bits, and other bytes come back as none`() {
    var encoder = BinaryCoder()
    let bytes = Array(String(repeating: "0123456789abcdef", count: 32).utf8)
    for byte in bytes { #expect(encoder.codeHashDigit(byte) == byte) }
    #expect(encoder.codeHashDigit(UInt8(ascii: "G")) == nil)
    let coded = encoder.finish()
    #expect(coded.count <= bytes.count / 2 + 4)
    var decoder = BinaryCoder(decoding: coded, from: 0)
    for byte in bytes { #expect(decoder.codeHashDigit(0) == byte) }
    #expect(decoder.codeHashDigit(0) == nil)
  }

  /// The place of the digest in notes that start at 0, or nil.
  private func digest(_ bytes: [UInt8]) -> Range<Int>? {
    var walk = NoteWalk(start: 0)
    let found = bytes.indices.filter { walk.isDigest(at: $0, bytes.span) }
    return found.first.map { $0..<$0 + found.count }
  }

  private func note(type: UInt8, name: String, _ contents: [UInt8]) -> [UInt8] {
    [UInt8(name.utf8.count + 1), 0, 0, 0, UInt8(contents.count), 0, 0, 0, type, 0, 0, 0]
      + Array(name.utf8) + [0] + contents
  }
}
