import Foundation
import TestSupport
import Testing

/// Every program in `tools` tells how it is called, and tells a call that makes no sense from a failure.
@Suite("The programs in tools")
struct ToolUsageTests {
  static let tools = [
    "bench", "build-modules", "corpus/build-cross-pairs", "corpus/build-fix-pairs",
    "corpus/fetch-wheel-pairs", "corpus/judge-deltas", "corpus/judge-x86", "demo", "demo.d/report",
    "endurance", "exactness", "fuzz", "install", "lint", "setup", "test", "train-prior",
  ]
  private static let folder = "\(TestModule.root)/tools"

  @Test func `none is left out here`() throws {
    var found: [String] = []
    for part in ["", "corpus/", "demo.d/"] {
      for name in try FileManager.default.contentsOfDirectory(atPath: "\(Self.folder)/\(part)") {
        let path = "\(Self.folder)/\(part)\(name)"
        var isDirectory: ObjCBool = false
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
          !isDirectory.boolValue, FileManager.default.isExecutableFile(atPath: path)
        else { continue }
        found.append(part + name)
      }
    }
    #expect(found.sorted() == Self.tools)
  }

  @Test(arguments: tools)
  func `its help names it and ends with 0`(tool: String) throws {
    let outcome = try run("\(Self.folder)/\(tool)", ["--help"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains(tool.hasPrefix("demo.d/") ? "report" : "tools/\(tool)"))
  }

  @Test(arguments: tools)
  func `arguments that make no sense end with 2 and nothing on stdout`(tool: String) throws {
    let outcome = try run("\(Self.folder)/\(tool)", ["--nonsense"])
    #expect(outcome.status == 2, "\(outcome.errors)")
    #expect(outcome.output == "")
    #expect(outcome.errors != "")
  }

  @Test(arguments: [
    ("bench", []), ("bench", ["nothing"]), ("build-modules", ["--out"]),
    ("build-modules", ["nothing"]), ("corpus/build-fix-pairs", ["--out"]),
    ("corpus/build-fix-pairs", ["nothing"]), ("corpus/fetch-wheel-pairs", ["--out"]),
    ("corpus/fetch-wheel-pairs", ["nothing"]), ("corpus/judge-x86", []),
    ("corpus/build-cross-pairs", ["--out"]), ("corpus/build-cross-pairs", ["nothing"]),
    ("corpus/judge-deltas", ["--effort"]), ("corpus/judge-deltas", ["--effort", "some"]),
    ("corpus/judge-deltas", ["nothing"]), ("demo", ["--packets"]),
    ("demo", ["--swaps", "0"]), ("demo.d/report", []), ("endurance", ["--swaps"]),
    ("endurance", ["--swaps", "some"]),
    ("endurance", ["nothing"]), ("fuzz", []), ("fuzz", ["nothing"]),
    ("fuzz", ["delta", "--seconds"]), ("fuzz", ["delta", "--seconds", "some"]), ("install", []),
    ("install", ["--prefix"]), ("install", ["here"]), ("setup", ["--build", "--nonsense"]),
    ("test", ["nothing"]),
  ])
  func `what is missing or unknown is a mistake of the call`(
    tool: String, arguments: [String]
  ) throws {
    let outcome = try run("\(Self.folder)/\(tool)", arguments)
    #expect(outcome.status == 2, "\(tool) \(arguments): \(outcome.errors)")
    #expect(outcome.errors != "")
  }
}
