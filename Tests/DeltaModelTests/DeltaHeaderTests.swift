import Bytes
import DeltaModel
import Testing

@Suite("Delta header")
struct DeltaHeaderTests {
  @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, 1 << 30, 1 << 62] as [UInt64])
  func `a header says after parsing what it said before`(size: UInt64) throws {
    let header = DeltaHeader(mode: .stored, targetSize: size)
    #expect(try DeltaHeader(parsing: header.encoded) == header)
    #expect(header.encoded.count == header.count)
  }

  @Test func `every proper prefix is truncated`() {
    let bytes = DeltaHeader(mode: .stored, targetSize: 1 << 30).encoded
    for count in 0..<bytes.count {
      #expect(throws: FormatError(.truncated(missing: 1), at: count)) {
        try DeltaHeader(parsing: Array(bytes.prefix(count)))
      }
    }
  }

  @Test func `an unknown codec names itself`() {
    #expect(throws: FormatError(.unsupported("delta codec 255"), at: 0)) {
      try DeltaHeader(parsing: [255, 0])
    }
  }

  @Test func `a number has one spelling`() {
    #expect(throws: FormatError(.notCanonical("the number"), at: 1)) {
      try DeltaHeader(parsing: [0, 0x80, 0])
    }
    #expect(throws: FormatError(.illegal("a number of more than 63 bits"), at: 1)) {
      try DeltaHeader(parsing: [0] + Array(repeating: 0xff, count: 9) + [1])
    }
  }

  @Test(arguments: [1, 2, 127, 128, 255])
  func `a period is kept, and whether there are repeats`(period: Int) throws {
    let header = DeltaHeader(
      mode: .plain, targetSize: 70_000, period: period, hasRepeats: period % 2 == 0)
    #expect(try DeltaHeader(parsing: header.encoded) == header)
    #expect(header.encoded.count == header.count)
    #expect(throws: FormatError(.truncated(missing: 1), at: header.count - 1)) {
      try DeltaHeader(parsing: Array(header.encoded.dropLast()))
    }
  }

  @Test func `a period has its limits and one spelling`() {
    for (bytes, period) in [([1], 0), ([0x80, 4], 256)] as [([UInt8], Int)] {
      #expect(throws: FormatError(.illegal("a period of \(period) bytes"), at: 2)) {
        try DeltaHeader(parsing: [3, 1] + bytes)
      }
    }
    #expect(throws: FormatError(.notCanonical("the number"), at: 2)) {
      try DeltaHeader(parsing: [3, 1, 0x81, 0])
    }
  }

  @Test(arguments: [0, 1, 300, 1 << 20, DeltaLimits.largestTarget])
  func `the tables of a target of any size are allowed`(size: UInt64) throws {
    let header = DeltaHeader(mode: .plain, targetSize: size)
    #expect(header.memoryNeeded - size <= DeltaLimits.largestTables)
    try DeltaLimits.standard.check(header, baseSize: 0)
  }

  @Test func `a target and memory over the limits are refused, at the limits they are not`() throws
  {
    let header = DeltaHeader(mode: .stored, targetSize: 1000)
    try DeltaLimits(targetSize: 1000, memory: header.memoryNeeded).check(header, baseSize: 0)
    #expect(
      throws: FormatError(.overLimit("the target size", found: 1000, limit: 999), at: 1)
    ) { try DeltaLimits(targetSize: 999, memory: 2000).check(header, baseSize: 0) }
    #expect(
      throws: FormatError(
        .overLimit("the memory needed", found: header.memoryNeeded, limit: 999), at: 1)
    ) { try DeltaLimits(targetSize: 1000, memory: 999).check(header, baseSize: 0) }
  }

  @Test func `no limit can be set above the caps of the format`() {
    #expect(DeltaLimits(targetSize: .max, memory: .max) == .standard)
  }
}
