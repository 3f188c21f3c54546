import Foundation
import TestSupport
import Testing

/// A short form of tools/endurance; `HITLESS_ENDURANCE_CYCLES` makes it longer.
@Suite("Endurance")
struct EnduranceTests {
  private static let cycles =
    ProcessInfo.processInfo.environment["HITLESS_ENDURANCE_CYCLES"].flatMap { Int($0) } ?? 40

  @Test func `many swaps and many patches lose nothing and leave nothing behind`() throws {
    let directory = try TemporaryDirectory()
    // Of 4 KiB pages one in each cycle is more than this; about 1 KiB is what a cycle of a debug build takes.
    let growthLimit = 3 * Self.cycles
    let outcome = try run(
      try BuiltProduct.path("EnduranceHost"),
      [
        "--modules", try modules(in: directory), "--state", directory.path("."), "--probe",
        try BuiltProduct.path("hitless-probe"), "--swaps", "\(Self.cycles * 250)", "--cycles",
        "\(Self.cycles)", "--workers", "2", "--pause-every", "50", "--growth-limit",
        "\(growthLimit)", "--quiet",
      ])
    #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
    let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    let figures = try #require(object as? [String: Any])
    #expect(figures["swaps"] as? Int == Self.cycles * 250)
    #expect(figures["cycles"] as? Int == Self.cycles)
    #expect(figures["lost"] as? Int == 0)
    #expect((figures["failures"] as? [String])?.isEmpty == true)
  }

  /// The two builds that take turns, where the host looks for them.
  private func modules(in directory: TemporaryDirectory) throws -> String {
    for version in ["1.0.0", "1.0.1"] {
      try directory.write("qer-\(version).so", try BuiltModules.bytes("qer", version))
    }
    return directory.path(".")
  }

  @Test(arguments: [[], ["--modules"], ["--swaps", "some"], ["--nonsense", "1"]])
  func `a call that makes no sense ends with 2`(arguments: [String]) throws {
    let outcome = try run(try BuiltProduct.path("EnduranceHost"), arguments)
    #expect(outcome.status == 2 && outcome.output == "")
    #expect(outcome.errors.hasPrefix("endurance: error: "))
  }
}
