import Testing
import TestSupport

@testable import DeltaModel

@Suite("Walks")
struct WalkTests {
  @Test func `the line above is counted on, with what is carried`() {
    let text = Array("a 0199 z\na 0200 z\n".utf8)
    var walk = TextWalk()
    var counted: [UInt8] = []
    for (place, byte) in text.enumerated() {
      if place >= 9 { counted.append(UInt8(walk.above(place, text.span).counted)) }
      walk.add(byte, at: place)
    }
    #expect(String(decoding: counted, as: UTF8.self) == "a 0200 z\n")
  }

  @Test func `fields and words are told apart`() {
    var walk = TextWalk()
    for (place, byte) in "one,two three".utf8.enumerated() { walk.add(byte, at: place) }
    #expect(walk.field == 2)
    #expect(walk.word != 0)
    #expect(walk.wordBefore != walk.word)
    walk.add(0x0a, at: 13)
    #expect(walk.field == 0)
    #expect(walk.line == 14)
    #expect(walk.word == 0)
  }

  /// DWARF 4, section 6.4.2: what is remembered of a prologue does not depend on how long its code is.
  @Test func `steps of the code are left out`() {
    let first: [UInt8] = [0x41, 0x0e, 0x10, 0x86, 0x02, 0x43, 0x0d, 0x06]
    let second: [UInt8] = [0x02, 0x80, 0x0e, 0x10, 0x86, 0x02, 0x4f, 0x0d, 0x06]
    #expect(state(first) == state(second))
    #expect(state(first) != state(first + [0x0c, 0x07]))
    #expect(state(first + [0x0c]) != state(first + [0x0c, 0x07, 0x08]))
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func `any record can be walked`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let bytes = generator.bytes(300)
    var walk = CallFrameWalk()
    for place in bytes.indices { walk.advance(to: place, bytes.span, record: place / 100 * 90) }
  }

  /// What is remembered behind `instructions` of an FDE without augmentation.
  private func state(_ instructions: [UInt8]) -> Int {
    let record: [UInt8] = [40, 0, 0, 0, 9, 0, 0, 0] + Array(repeating: 0, count: 9) + instructions
    var walk = CallFrameWalk()
    walk.advance(to: record.count, record.span, record: 0)
    return walk.state
  }
}
