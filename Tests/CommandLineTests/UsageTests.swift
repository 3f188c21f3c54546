import Foundation
import TestSupport
import Testing

@Suite("hitless without work")
struct UsageTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  @Test(arguments: [
    ["no-such-command"], ["keygen"], ["keygen", "--out"], ["verify"], ["verify", "x", "--trust"],
    ["verify", "x"], ["verify", "x", "--trust", "y", "--threshold", "many"],
    ["verify", "x", "--trust", "y", "--at", "tomorrow"], ["apply", "x"], ["explain", "1", "2"],
    ["verify", "x", "--trust", "y", "--at", "2027-02-29"],
    ["verify", "x", "--trust", "y", "--at", "2027-1-01"],
    ["verify", "x", "--trust", "y", "--at", "2027-13-01"],
    ["verify", "x", "--trust", "y", "--at", "2027-01-01T24:00:00Z"],
    ["verify", "x", "--trust", "y", "--at", "2027-01-01T00:00:00"],
    ["verify", "x", "--trust", "y", "--at", "1969-12-31"],
    ["diff"], ["diff", "one", "--key", "k", "-o", "f"], ["--nonsense"],
    ["verify", "x", "--trust", "y", "--machine", "vax"],
    ["verify", "x", "--trust", "y", "--interface", "7"],
    ["verify", "x", "--trust", "y", "--interface", "7:-1"],
    ["verify", "x", "--trust", "y", "--interface", "0x100000000:1"],
  ])
  func `arguments that make no sense end with 2 and a pointer to the help`(
    arguments: [String]
  ) throws {
    let outcome = try run(try BuiltProduct.path("hitless"), arguments)
    #expect(outcome.status == 2)
    #expect(outcome.output == "")
    let lines = outcome.errors.split(separator: "\n")
    try #require(lines.count == 2, "\(outcome.errors)")
    #expect(lines[0].hasPrefix("hitless: error: "))
    #expect(lines[1].hasPrefix("hitless: hint: "))
  }

  @Test(arguments: ["keygen", "diff", "verify", "inspect", "apply", "explain"])
  func `the help of a command teaches by example`(command: String) throws {
    let outcome = try bench.succeed(command, "--help")
    #expect(outcome.output.contains("Example"))
    #expect(outcome.output.contains("hitless \(command) "))
  }

  @Test func `the help of the program shows the way from two builds to a swap`() throws {
    let outcome = try bench.succeed("--help")
    for step in ["keygen", "diff", "verify", "agent"] {
      #expect(outcome.output.contains("hitless \(step) "))
    }
  }
}

/// Names in files are chosen by whoever made the file.
@Suite("hitless on a terminal")
struct TerminalTests {
  @Test func `no name in a file can write lines of its own or steer the terminal`() throws {
    let bench = try Workbench()
    let hostile = "x\n\u{1b}[2Jchecked: everything"
    // An import whose name is hostile: the assembler takes any name in quotes, ours is put in after.
    var module = TestModule()
    let placeholder = String(repeating: "q", count: hostile.utf8.count)
    module.extra = """
      int \(placeholder)(int);
      static int use(int x) { return \(placeholder)(x); }
      __attribute__((used)) static int (*const keep)(int) = use;
      """
    try module.build("m.so", in: bench.directory)
    var bytes = try bench.directory.bytes("m.so")
    let needle = Array(placeholder.utf8)
    for index in bytes.indices where bytes[index...].starts(with: needle) {
      bytes.replaceSubrange(index..<index + needle.count, with: Array(hostile.utf8))
    }
    try bench.directory.write("m.so", bytes)
    let outcome = try bench.hitless("lint", "m.so")
    #expect(outcome.status == 42)
    #expect((outcome.output + outcome.errors).contains("checked: everything"))
    for line in (outcome.output + outcome.errors).split(separator: "\n") {
      #expect(!line.hasPrefix("checked"))
      #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 })
    }
    let json = try bench.object(try bench.hitless("lint", "m.so", "--json"))
    #expect(json["class"] as? String == "bad-elf")
  }
}

@Suite("hitless explain")
struct ExplainTests {
  static let classes: [(Int32, String)] = [
    (0, "success"), (2, "usage"), (10, "format"), (11, "limit"), (12, "unsupported"),
    (20, "signature"),
    (21, "untrusted-key"), (22, "integrity"), (30, "rollback"), (31, "expired"), (32, "mixed"),
    (40, "not-for-target"), (41, "wrong-base"), (42, "bad-elf"), (43, "path"), (50, "race"),
    (51, "busy"), (52, "state"), (53, "frozen"), (60, "no-space"), (61, "io"),
    (70, "health"), (71, "breaker-open"), (72, "quarantined"),
  ]
  let bench: Workbench

  init() throws { bench = try Workbench() }

  @Test(arguments: classes)
  func `success and every class are explained by number and by name`(code: Int32, name: String)
    throws
  {
    let byNumber = try bench.succeed("explain", "\(code)").output
    #expect(byNumber == (try bench.succeed("explain", name).output))
    #expect(byNumber.hasPrefix("\(name) (exit code \(code))\n"))
    for part in ["What it means: ", "Why: ", "What to do: "] { #expect(byNumber.contains(part)) }
  }

  @Test(arguments: ["policy", "hot", "hot-with-migration", "restart"])
  func `every upgrade class is explained`(name: String) throws {
    #expect(try bench.succeed("explain", name).output.hasPrefix("\(name) (upgrade class)\n"))
  }

  @Test(arguments: ["writable-data", "import", "build-id"])
  func `rules of the lint are explained`(name: String) throws {
    #expect(try bench.succeed("explain", name).output.hasPrefix("\(name) (lint rule)\n"))
  }

  @Test func `alone it lists all of them, each with a prose of its own`() throws {
    let outcome = try bench.succeed("explain", "--json")
    let entries = try #require(try bench.object(outcome)["classes"] as? [[String: Any]])
    #expect(entries.count >= Self.classes.count + 4 + 30)
    #expect(Set(entries.compactMap { $0["name"] as? String }).count == entries.count)
    let codes = entries.compactMap { $0["code"] as? Int32 }
    #expect(codes == Self.classes.map(\.0))
    for part in ["meaning", "why"] {
      #expect(Set(entries.compactMap { $0[part] as? String }).count == entries.count)
    }
    let lines = try bench.succeed("explain").output.split(separator: "\n")
    #expect(lines.count == entries.count)
    #expect(lines.first?.hasPrefix("  0  success ") == true)
  }

  @Test(arguments: ["9", "-1", "nope", "", "Format", "010"])
  func `what is no class is refused`(name: String) throws {
    try bench.refuse(2, "explain", "--", name)
  }
}
