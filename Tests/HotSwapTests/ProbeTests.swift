import Foundation
import HotSwap
import Refusal
import TestSupport
import Testing

/// The helper that maps a module in a process of its own, run as the agent runs it.
@Suite("hitless-probe")
struct ProbeTests {
  @Test func `a module that passes its own test is described on one line`() throws {
    let probed = try probe(ModuleFixture(["ANSWER=91"]))
    #expect(probed.status == 0)
    #expect(probed.output.hasPrefix(#"{"module":"answer","version":"1.2.91","build_id":""#))
    #expect(probed.output.split(separator: "\n").count == 1)
    #expect(probed.errors == "<6> no vectors\n")
  }

  @Test func `a failing selftest is a health refusal`() throws {
    let probed = try probe(ModuleFixture(["SELFTEST_FAILS"]))
    #expect(probed.status == RefusalClass.health.rawValue)
    #expect(probed.output.contains(#""where":"hitless_module.selftest""#))
  }

  @Test func `a module with other facts than the verified ones is a race`() throws {
    let verified = try ModuleFixture(["ANSWER=92"])
    let probed = try probe(ModuleFixture(["ANSWER=93"]), expecting: verified.expectation)
    #expect(probed.status == RefusalClass.race.rawValue)
    #expect(probed.output.contains(#""class":"race""#))
  }

  @Test func `a crash ends the probe alone and leaves no core file`() throws {
    let directory = try TemporaryDirectory()
    let probed = try probe(ModuleFixture(["SELFTEST_CRASHES"]), in: directory)
    // By SIGILL or SIGTRAP; a sanitizer turns that into an exit code of its own.
    #expect(probed.status != 0)
    #expect(RefusalClass(rawValue: probed.status) == nil, "a crash is not taken for a refusal")
    #expect(try directory.names == ["module.so"])
  }

  @Test func `a probe without a module says how it is used`() throws {
    let probed = try run(BuiltProduct.path("hitless-probe"), [])
    #expect(probed.status == RefusalClass.usage.rawValue)
    #expect(probed.output.hasPrefix("usage: hitless-probe"))
    let help = try run(BuiltProduct.path("hitless-probe"), ["--help"])
    #expect(help.status == 0)
  }

  private func probe(
    _ fixture: ModuleFixture, expecting expected: ModuleExpectation? = nil,
    in directory: TemporaryDirectory? = nil
  ) throws -> ProgramRun {
    let expected = expected ?? fixture.expectation
    let directory = try directory ?? TemporaryDirectory()
    let file = try directory.write("module.so", fixture.bytes)
    let program = try BuiltProduct.path("hitless-probe")
    return try run(
      "/bin/sh",
      [
        "-c", #"exec "$0" "$1" "$2" 3<"$3""#, program, hex(expected.buildID), hex(expected.facts),
        file,
      ], in: directory.url)
  }

  private func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String(format: "%02x", $0) }.joined()
  }
}
