import Foundation
import TestSupport
import Testing

/// tools/lint in a tree of its own, with one file in it.
@Suite("tools/lint")
struct LintTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    for folder in ["tools", "Sources/Ground/CPart", "Sources/Ground/Part"] {
      try FileManager.default.createDirectory(
        atPath: directory.path(folder), withIntermediateDirectories: true)
    }
    let copied = try run(
      "/bin/cp", ["\(TestModule.root)/tools/lint", directory.path("tools/lint")])
    try #require(copied.status == 0)
    try #require(try run("/usr/bin/git", ["init", "-q", directory.path]).status == 0)
  }

  /// The bug: a function whose signature was wrapped was not measured at all.
  @Test(arguments: [
    "static int measured(int x) {", "static int measured(int x,\n                    int y) {",
    "static int\nmeasured(int x) {", "static int measured(\n    int x,\n    int y) {",
    "static inline __attribute__((noinline)) int measured(int x,\n  int y)\n{",
    "struct pair *measured(int x,  // the first {\n                      int y) {  // and the last",
  ])
  func `a C function is measured wherever its signature is wrapped`(signature: String) throws {
    let lines = signature.split(separator: "\n").count
    #expect(try lint(function(signature, of: 60)) == [])
    #expect(
      try lint(function(signature, of: 61)) == [
        "Sources/Ground/CPart/file.c:3: error: a body of 61 lines, at most 60"
      ], "\(lines)")
  }

  @Test(arguments: [
    "struct table {", "static const struct table all[] = {", "enum {", "union word {",
    "static const struct table one = (struct table){",
  ])
  func `what is no function is not measured`(opening: String) throws {
    #expect(try lint(function(opening, of: 80)) == [])
  }

  /// What stands before a function, even something long, does not count for it.
  @Test func `a function begins at its own signature`() throws {
    let table = "static const int table[] = {\n" + String(repeating: "  1,\n", count: 50) + "};\n"
    let declaration = "int declared(int x,\n             int y);\n"
    let body = function("int measured(int x,\n             int y) {", of: 58)
    #expect(try lint(table + declaration + "#define TWICE(x) \\\n  ((x) + (x))\n" + body) == [])
  }

  /// `count` lines from the signature to the closing brace, with two lines before.
  private func function(_ signature: String, of count: Int) -> String {
    let lines = signature.split(separator: "\n").count
    let body = String(repeating: "  x++;\n", count: count - lines - 1)
    return "// A file.\n\n\(signature)\n\(body)}\n"
  }

  /// The violations of a C file with this text.
  private func lint(_ text: String) throws -> [String] {
    try Data(text.utf8).write(
      to: directory.url.appendingPathComponent("Sources/Ground/CPart/file.c"))
    let outcome = try run(directory.path("tools/lint"), [])
    #expect(outcome.errors == "")
    let lines = outcome.output.split(separator: "\n").map(String.init)
    #expect(lines.last?.hasPrefix("summary: 1 files, ") == true, "\(outcome.output)")
    #expect(outcome.status == (lines.count > 1 ? 1 : 0))
    return Array(lines.dropLast())
  }
}
