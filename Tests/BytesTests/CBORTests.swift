import Bytes
import Testing

@Suite("Deterministic CBOR")
struct CBORTests {
  static let sample: CBOR = .map([
    .unsigned(1): .text("qer"), .integer(-7): .bytes([1, 2, 3]),
    .text("list"): .array([.bool(true), .null, .unsigned(UInt64.max), .unsigned(24)]),
    .unsigned(1000): .tagged(98, .unsigned(65_536)),
  ])

  @Test func `an item comes back from its encoding`() throws {
    #expect(try CBOR(parsing: Self.sample.encoded) == Self.sample)
  }

  /// From RFC 8949, appendix A.
  @Test(arguments: [
    (CBOR.unsigned(0), "00"), (.unsigned(23), "17"), (.unsigned(24), "1818"),
    (.unsigned(1_000_000), "1a000f4240"), (.unsigned(UInt64.max), "1bffffffffffffffff"),
    (.integer(-1000), "3903e7"), (.negative(offset: UInt64.max), "3bffffffffffffffff"),
    (.text("\u{00fc}"), "62c3bc"), (.array([.unsigned(1), .array([.unsigned(2)])]), "82018102"),
    (.map([.text("a"): .unsigned(1), .text("b"): .array([])]), "a26161016162 80"),
  ])
  func `the published examples encode as published`(item: CBOR, hex: String) throws {
    let bytes = try #require([UInt8](hex: hex.filter { $0 != " " }))
    #expect(item.encoded == bytes)
    #expect(try CBOR(parsing: bytes) == item)
  }

  @Test func `every proper prefix is refused`() {
    let bytes = Self.sample.encoded
    for count in 0..<bytes.count {
      #expect(throws: FormatError.self) { try CBOR(parsing: Array(bytes.prefix(count))) }
    }
  }

  @Test(arguments: [
    "1817", "190017", "1a0000ffff", "1b00000000ffffffff", "5f", "9f", "ff", "fb3ff0000000000000",
    "a2010001", "a201000200ff", "a202000100", "a201000100", "61ff", "62c328", "0000", "f7",
  ])
  func `another spelling of an item, or no item, is refused`(hex: String) throws {
    let bytes = try #require([UInt8](hex: hex))
    #expect(throws: FormatError.self) { try CBOR(parsing: bytes) }
  }

  @Test func `a declared count beyond the input allocates nothing and is refused`() {
    #expect(throws: FormatError.self) {
      try CBOR(parsing: [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    }
    #expect(throws: FormatError.self) {
      try CBOR(parsing: [0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    }
  }

  @Test func `nesting is allowed up to the limit and refused beyond it`() throws {
    let deepest = [UInt8](repeating: 0x81, count: CBOR.depthLimit - 1) + [0]
    _ = try CBOR(parsing: deepest)
    let error = #expect(throws: FormatError.self) { try CBOR(parsing: [0x81] + deepest) }
    #expect(error?.offset == CBOR.depthLimit)
    #expect(throws: FormatError.self) {
      try CBOR(parsing: [UInt8](repeating: 0x81, count: 100_000))
    }
  }
}
