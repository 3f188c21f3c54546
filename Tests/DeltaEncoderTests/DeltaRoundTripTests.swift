import Bytes
import DeltaDecoder
import DeltaEncoder
import DeltaModel
import Testing
import TestSupport

@Suite("Delta round trip")
struct DeltaRoundTripTests {
  @Test(
    arguments: [
      ([], []), ([1], []), ([], [1]), ([1], [1]), ([1], [2]),
      (Array("old text".utf8), Array("new text".utf8)),
      (Array(repeating: 0, count: 5000), Array(repeating: 0, count: 5001)),
    ] as [([UInt8], [UInt8])])
  func `small files come back`(base: [UInt8], target: [UInt8]) throws {
    try expectRoundTrip(base, target)
  }

  @Test(arguments: 0..<30 as Range<UInt64>)
  func `edited files come back`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let base = generator.bytes(Int.random(in: 1...4000, using: &generator), below: 16)
    try expectRoundTrip(base, edited(base, &generator), "SeededGenerator(seed: \(seed))")
  }

  @Test(arguments: [0, 2999])
  func `one byte changed at an end costs next to nothing`(place: Int) throws {
    var generator = SeededGenerator(seed: 1)
    let base = generator.bytes(3000)
    var target = base
    target[place] ^= 1
    #expect(try expectRoundTrip(base, target).bytes.count < 32)
  }

  @Test func `identical files cost next to nothing`() throws {
    var generator = SeededGenerator(seed: 2)
    let base = generator.bytes(20_000)
    let delta = try expectRoundTrip(base, base)
    #expect(delta.bytes.count < 16)
    #expect(delta.mode == "delta")
  }

  @Test func `unrelated noise is stored, with a few bytes on top`() throws {
    var generator = SeededGenerator(seed: 3)
    let delta = try expectRoundTrip(generator.bytes(2000), generator.bytes(2000))
    #expect(delta.mode == "stored")
    #expect(delta.bytes.count <= 2000 + 4)
  }

  @Test func `an unrelated text is coded by itself`() throws {
    let text = (0..<400).map { "line \($0) of a text that repeats itself\n" }.joined()
    let delta = try expectRoundTrip(Array(repeating: 7, count: 50), Array(text.utf8))
    #expect(delta.mode == "plain" || delta.mode == "whole")
    #expect(delta.bytes.count < text.utf8.count / 8)
  }

  /// Addresses that move by one distance are what most of a rebuilt file's differences are.
  @Test func `words that all change by the same amount are cheap`() throws {
    var generator = SeededGenerator(seed: 4)
    var base: [UInt8] = []
    var target: [UInt8] = []
    for _ in 0..<400 {
      let word = UInt32.random(in: 0..<1 << 20, using: &generator)
      let between = generator.bytes(12)
      for shift in stride(from: 0 as UInt32, to: 32, by: 8) {
        base.append(UInt8(truncatingIfNeeded: word >> shift))
        target.append(UInt8(truncatingIfNeeded: (word + 0x1230) >> shift))
      }
      base += between
      target += between
    }
    let count = try expectRoundTrip(base, target).bytes.count
    #expect(count < 2 * 400, "\(count) bytes")
  }

  /// A new id in an otherwise identical file costs its bytes and a flag: nobody pays for being surprised.
  @Test func `the id of a build costs what it is`() throws {
    let base = try BuiltModules.bytes("qer", "1.0.0")
    let head: [UInt8] = [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 0x47, 0x4e, 0x55, 0]
    let start = try #require(
      base.indices.first { base[$0...].starts(with: head) }.map { $0 + head.count })
    var generator = SeededGenerator(seed: 6)
    var target = base
    target.replaceSubrange(start..<start + 20, with: generator.bytes(20))
    let same = try expectRoundTrip(base, base).bytes.count
    let count = try expectRoundTrip(base, target).bytes.count
    #expect(count <= same + 22, "\(count) bytes, \(same) for the same file")
  }

  @discardableResult
  private func expectRoundTrip(
    _ base: [UInt8], _ target: [UInt8], _ what: Comment? = nil
  ) throws -> EncodedDelta {
    let delta = DeltaEncoder.encode(base: base, target: target)
    let decoded = try DeltaDecoder.decode(delta.bytes, base: base)
    #expect(decoded.elementsEqual(target), what)
    #expect(try DeltaHeader(parsing: delta.bytes) == delta.header, what)
    #expect(DeltaEncoder.encode(base: base, target: target).bytes == delta.bytes, what)
    return delta
  }

  /// Returns `base` after a few changes, insertions, removals and moves.
  private func edited(_ base: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var target = base
    for _ in 0..<Int.random(in: 0...6, using: &generator) {
      let start = Int.random(in: 0...target.count, using: &generator)
      let end = Int.random(in: start...min(target.count, start + 100), using: &generator)
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: target.removeSubrange(start..<end)
      case 1: target.insert(contentsOf: generator.bytes(30), at: start)
      case 2: target.append(contentsOf: target[start..<end])
      default: for place in start..<end where place % 7 == 0 { target[place] &+= 3 }
      }
    }
    return target
  }
}
