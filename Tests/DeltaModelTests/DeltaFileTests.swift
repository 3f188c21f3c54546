import Bytes
import DeltaModel
import Testing

@Suite("Delta file")
struct DeltaFileTests {
  static let file = DeltaFile(
    base: .init(size: 100, digest: Array(repeating: 1, count: 32)),
    target: .init(size: 3, digest: Array(repeating: 2, count: 32)), delta: [0, 3, 7, 8, 9])

  @Test func `a file is read as it was written`() throws {
    #expect(try DeltaFile(parsing: Self.file.encoded) == Self.file)
    #expect(Self.file.encoded.count == Int(DeltaFile.headerCount) + 5)
  }

  @Test func `every prefix up to the blob's header is truncated`() throws {
    for count in 0..<Int(DeltaFile.headerCount) + 2 {
      let error = try #require(throws: FormatError.self) {
        try DeltaFile(parsing: Array(Self.file.encoded.prefix(count)))
      }
      guard case .truncated = error.reason else {
        Issue.record("expected truncation at \(count), got \(error)")
        return
      }
      #expect(error.offset <= count)
    }
  }

  @Test func `another magic is refused`() {
    #expect(throws: FormatError(.illegal("not the magic of a delta file"), at: 0)) {
      try DeltaFile(parsing: [0x48, 0x4c, 0x44, 0x32] + Self.file.encoded.dropFirst(4))
    }
  }

  @Test func `two target sizes contradict each other`() {
    var bytes = Self.file.encoded
    bytes[12] = 4
    #expect(throws: FormatError(.illegal("two different target sizes, 4 and 3"), at: 12)) {
      try DeltaFile(parsing: bytes)
    }
  }
}
