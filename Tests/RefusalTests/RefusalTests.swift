import Bytes
import CHitless
import Refusal
import Testing

@Suite("Error classes")
struct RefusalClassTests {
  /// hitless/status.h, in the order of the Swift cases.
  static let header: [Int32] = [
    Int32(HITLESS_STATUS_USAGE), Int32(HITLESS_STATUS_FORMAT), Int32(HITLESS_STATUS_LIMIT),
    Int32(HITLESS_STATUS_UNSUPPORTED), Int32(HITLESS_STATUS_SIGNATURE),
    Int32(HITLESS_STATUS_UNTRUSTED_KEY), Int32(HITLESS_STATUS_INTEGRITY),
    Int32(HITLESS_STATUS_ROLLBACK), Int32(HITLESS_STATUS_EXPIRED), Int32(HITLESS_STATUS_MIXED),
    Int32(HITLESS_STATUS_NOT_FOR_TARGET), Int32(HITLESS_STATUS_WRONG_BASE),
    Int32(HITLESS_STATUS_BAD_ELF), Int32(HITLESS_STATUS_PATH), Int32(HITLESS_STATUS_RACE),
    Int32(HITLESS_STATUS_BUSY), Int32(HITLESS_STATUS_STATE), Int32(HITLESS_STATUS_FROZEN),
    Int32(HITLESS_STATUS_NO_SPACE), Int32(HITLESS_STATUS_IO), Int32(HITLESS_STATUS_HEALTH),
    Int32(HITLESS_STATUS_BREAKER_OPEN), Int32(HITLESS_STATUS_QUARANTINED),
  ]

  @Test func `the numbers are those of the C header`() {
    #expect(RefusalClass.allCases.map(\.rawValue) == Self.header)
  }

  @Test func `every class has a name of its own, in lower case`() {
    let names = RefusalClass.allCases.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { $0.allSatisfy { $0 == "-" || ("a"..."z").contains($0) } })
  }
}

@Suite("Refusal")
struct RefusalTests {
  @Test func `the JSON object has the fields that are known, and only those`() {
    #expect(
      Refusal(.wrongBase, "no").json.text
        == #"{"class":"wrong-base","code":41,"message":"no"}"#)
    let full = Refusal(.limit, "m", expected: "e", found: "f", at: "w", hint: "h")
    #expect(
      full.json.text
        == #"{"class":"limit","code":11,"message":"m","expected":"e","found":"f","where":"w","hint":"h"}"#
    )
    #expect(full.description == "m, expected e, found f")
  }

  @Test(arguments: [
    (FormatError.Reason.truncated(missing: 1), RefusalClass.format), (.trailing(count: 1), .format),
    (.illegal("x"), .format), (.notCanonical("x"), .format),
    (.overLimit("x", found: 2, limit: 1), .limit), (.unsupported("x"), .unsupported),
    (.mismatch("x"), .integrity), (.badName("x"), .path),
  ])
  func `a decoder's error keeps its meaning and its place`(
    reason: FormatError.Reason, expected: RefusalClass
  ) {
    let refusal = Refusal(FormatError(reason, at: 7), in: "the thing")
    #expect(refusal.kind == expected)
    #expect(refusal.location == "byte 7")
    #expect(refusal.message.hasPrefix("the thing: "))
  }
}
