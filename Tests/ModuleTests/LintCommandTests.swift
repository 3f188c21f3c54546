import Foundation
import TestSupport
import Testing

@Suite("hitless lint")
struct LintCommandTests {
  private func lint(_ arguments: String...) throws -> ProgramRun {
    try run(try BuiltProduct.path("hitless"), ["lint"] + arguments)
  }

  private func offender(_ extra: String, in directory: TemporaryDirectory) throws -> String {
    var module = TestModule()
    module.extra = extra
    return try module.build("bad.so", in: directory)
  }

  @Test func `a clean module is 0 and one line`() throws {
    let run = try lint(try BuiltModules.path("qer", "1.0.1"))
    #expect(run.status == 0)
    #expect(run.output.hasPrefix("loadable: qer 1.0.1, build-id "))
    #expect(run.errors == "")
  }

  @Test func `a clean module is one JSON object with its facts`() throws {
    let run = try lint(try BuiltModules.path("classify", "1.0.1"), "--json")
    #expect(run.status == 0)
    let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
    let module = try #require(object?["module"] as? [String: Any])
    #expect(module["name"] as? String == "classify")
    #expect(module["version"] as? String == "1.0.1")
    #expect(object?["loadable"] as? Bool == true)
    #expect((object?["violations"] as? [Any])?.isEmpty == true)
  }

  @Test func `an offender is 42, with each violation and what mends it`() throws {
    let directory = try TemporaryDirectory()
    let path = try offender(
      "__attribute__((used)) static int hits = 5; __attribute__((constructor)) void begin(void) { __asm__(\"\"); }",
      in: directory)
    let run = try lint(path)
    #expect(run.status == 42)
    #expect(run.output.contains("violation: writable-data: segment"))
    #expect(run.output.contains(": hits\n"))
    #expect(run.output.contains("violation: constructor: DT_INIT_ARRAY"))
    #expect(run.output.contains(": begin\n"))
    #expect(run.output.contains("mend it: link with -nostartfiles"))
    #expect(run.errors.contains("hitless: error: '\(path)' is not a loadable module: "))
    #expect(run.errors.contains("hitless: hint: "))
  }

  @Test func `an offender's JSON has the class, the code and all violations`() throws {
    let directory = try TemporaryDirectory()
    let path = try offender(
      "int puts(const char *); __attribute__((used)) static int f(void) { return puts(\"\"); }",
      in: directory)
    let run = try lint(path, "--json")
    #expect(run.status == 42)
    let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
    #expect(object?["class"] as? String == "bad-elf")
    #expect(object?["code"] as? Int == 42)
    let violations = try #require(object?["violations"] as? [[String: Any]])
    #expect(violations.map { $0["rule"] as? String } == ["import"])
    #expect(violations[0]["where"] as? String == "puts")
    #expect((violations[0]["mend"] as? String)?.contains("--allow-import") == true)
  }

  @Test func `an import that the host allows passes`() throws {
    let directory = try TemporaryDirectory()
    let path = try offender(
      "int puts(const char *); __attribute__((used)) static int f(void) { return puts(\"\"); }",
      in: directory)
    #expect(try lint(path, "--allow-import", "puts").status == 0)
    #expect(try lint(path, "--allow-import", "fork").status == 42)
  }

  @Test(arguments: [0, 1, 63, 64, 2000, 13_000])
  func `a truncated module is 42 and never reaches the loader`(count: Int) throws {
    let directory = try TemporaryDirectory()
    let bytes = try BuiltModules.bytes("qer", "1.0.0")
    let run = try lint(try directory.write("cut.so", Array(bytes[..<count])))
    #expect(run.status == 42)
    #expect(run.output.contains("violation: malformed: byte"))
  }

  @Test func `what is no regular file is refused before anything is read`() throws {
    #expect(try lint("/dev/zero").status == 10)
    #expect(try lint("/").status == 10)
    #expect(try lint("/nonexistent").status == 61)
  }

  @Test func `no file is a usage error`() throws {
    #expect(try lint().status == 2)
  }
}
