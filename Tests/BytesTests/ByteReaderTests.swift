import Bytes
import Testing

@Suite("Byte reader and writer")
struct ByteReaderTests {
  @Test func `numbers come back in both byte orders`() throws {
    var writer = ByteWriter()
    writer.little(UInt32(0x0102_0304))
    writer.big(UInt16(0x0506))
    #expect(writer.bytes == [4, 3, 2, 1, 5, 6])
    var reader = ByteReader(writer.bytes)
    #expect(try reader.little(UInt32.self) == 0x0102_0304)
    #expect(try reader.big(UInt16.self) == 0x0506)
    try reader.finish()
  }

  @Test func `a failed read does not move`() {
    var reader = ByteReader([1, 2, 3])
    #expect(throws: FormatError(.truncated(missing: 1), at: 0)) { try reader.little(UInt32.self) }
    #expect(reader.position == 0)
    #expect(throws: FormatError(.truncated(missing: UInt64.max - 3), at: 0)) {
      try reader.bytes(UInt64.max)
    }
    #expect(reader.remaining == 3)
    #expect(throws: FormatError(.trailing(count: 3), at: 0)) { try reader.finish() }
  }

  @Test func `a range reads with the offsets of the whole`() throws {
    var reader = try ByteReader([0, 1, 2, 3, 4], in: 2..<4)
    #expect(try reader.byte() == 2)
    #expect(try reader.byte() == 3)
    #expect(throws: FormatError(.truncated(missing: 1), at: 4)) { try reader.byte() }
    #expect(throws: FormatError(.truncated(missing: 1), at: 5)) {
      try ByteReader([0, 1, 2, 3, 4], in: 2..<6)
    }
  }

  @Test func `sums and products that overflow are errors`() {
    #expect(throws: FormatError.self) { try UInt64.max.adding(1, at: 0) }
    #expect(throws: FormatError.self) { try UInt64.max.multiplied(by: 2, at: 0) }
  }

  @Test func `JSON quotes what must be quoted`() {
    let value = JSON.object([
      ("a\"\n", .array([.string("\u{1}é"), .null, .integer(-1), .bool(true)]))
    ])
    #expect(value.text == #"{"a\"\n":["\u0001é",null,-1,true]}"#)
  }
}
