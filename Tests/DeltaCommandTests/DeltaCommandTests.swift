import Foundation
import Testing
import TestSupport

/// `hitless delta` as it is run: exit codes, messages, and what lies on the disk afterwards.
@Suite("hitless delta")
struct DeltaCommandTests {
  private let directory: TemporaryDirectory
  private let base: [UInt8]
  private let target: [UInt8]

  init() throws {
    var generator = SeededGenerator(seed: 21)
    base = generator.bytes(3000)
    target = base.prefix(1000) + generator.bytes(50) + base.dropFirst(1100)
    directory = try TemporaryDirectory()
    try Data(base).write(to: file("old"))
    try Data(target).write(to: file("new"))
  }

  @Test func `a delta is made, applied and gives the new file`() throws {
    let encoded = try hitless("encode", "old", "new", "-o", "delta", "--json")
    #expect(encoded.status == 0)
    #expect(encoded.output.contains("\"mode\":\"delta\""))
    #expect(encoded.errors.isEmpty)
    let decoded = try hitless("decode", "old", "delta", "-o", "result")
    #expect(decoded.status == 0)
    #expect(try bytes("result") == target)
  }

  @Test func `empty files work`() throws {
    try Data().write(to: file("empty"))
    for (from, to) in [("empty", "new"), ("old", "empty"), ("empty", "empty")] {
      #expect(try hitless("encode", from, to, "-o", "delta").status == 0)
      #expect(try hitless("decode", from, "delta", "-o", "result").status == 0)
      #expect(try bytes("result") == bytes(to))
    }
  }

  @Test func `a wrong base is refused and nothing is written`() throws {
    try encode()
    var other = base
    other[2500] ^= 1
    try Data(other).write(to: file("other"))
    for wrong in ["other", "new"] {
      let run = try hitless("decode", wrong, "delta", "-o", "result")
      #expect(run.status == 41)
      #expect(run.errors.hasPrefix("hitless: error: '"))
      #expect(!exists("result"))
    }
  }

  @Test func `a delta damaged anywhere is refused and nothing is written`() throws {
    try encode()
    let good = try bytes("delta")
    for place in stride(from: 0, to: good.count, by: 5) {
      var bad = good
      bad[place] ^= 4
      try Data(bad).write(to: file("bad"))
      let run = try hitless("decode", "old", "bad", "-o", "result")
      #expect([10, 11, 12, 22, 41].contains(run.status), "byte \(place): \(run.errors)")
      #expect(!exists("result"))
    }
  }

  @Test func `an old result survives a refusal`() throws {
    try encode()
    try Data([1, 2, 3]).write(to: file("result"))
    let run = try hitless("decode", "new", "delta", "-o", "result", "--json")
    #expect(run.status == 41)
    #expect(run.output.contains("\"class\":\"wrong-base\""))
    #expect(try bytes("result") == [1, 2, 3])
  }

  @Test func `a delta never takes the place of an input`() throws {
    for name in ["old", "./new"] {
      #expect(try hitless("encode", "old", "new", "-o", name).status == 43)
    }
    try encode()
    let delta = try bytes("delta")
    #expect(try hitless("decode", "old", "delta", "-o", "delta").status == 43)
    #expect(try bytes("old") == base && bytes("new") == target && bytes("delta") == delta)
  }

  @Test func `progress is shown on a terminal, and only there`() throws {
    try encode()
    for (arguments, what) in [
      ("encode old new -o other", "encoding: 1 %"), ("decode old delta -o result", "decoding: 0 %"),
    ] {
      let shown = try onTerminal(arguments)
      #expect(shown.status == 0)
      #expect(shown.output.contains("\r\(what)"))
      #expect(shown.output.contains(": 100 %\r\u{1b}[K"))
      let words = arguments.split(separator: " ").map { String($0) }
      #expect(try hitless(words).errors.isEmpty)
    }
  }

  @Test func `a refusal in the middle of decoding stands on a line of its own`() throws {
    try encode()
    try Data(try bytes("delta").dropLast(30)).write(to: file("bad"))
    let shown = try onTerminal("decode old bad -o result")
    #expect(shown.status == 10)
    #expect(shown.output.contains("\rdecoding: 0 %\rdecoding: 100 %\r\u{1b}[Khitless: error: "))
  }

  @Test func `what a delta file says of itself can be looked at, believed or not`() throws {
    try encode()
    let shown = try inspect("delta", "--json")
    #expect(shown.status == 0)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [String: Any])
    #expect(object["verified"] as? Bool == false && object["mode"] as? String == "delta")
    #expect(object["codec"] as? Int == 1 && object["covers"] as? Int == 2)
    let delta = try bytes("delta")
    #expect(object["fileSize"] as? Int == delta.count)
    #expect(object["delta"] as? Int == delta.count - 84)
    for (name, whole) in [("base", base), ("target", target)] {
      let image = try #require(object[name] as? [String: Any])
      #expect(image["size"] as? Int == whole.count)
      let sum = try run("/usr/bin/sha256sum", [name == "base" ? "old" : "new"], in: directory.url)
      #expect(sum.output.hasPrefix(try #require(image["digest"] as? String)))
    }
    let line = "codec 1 (delta), \(delta.count - 84) bytes, 2 covers"
    #expect(try inspect("delta").output.contains(line))
    for count in [4, 83, 84, 85] {
      try Data(delta.prefix(count)).write(to: file("bad"))
      let refused = try inspect("bad")
      #expect(refused.status == 10 && refused.errors.hasPrefix("hitless: error: 'bad'"))
    }
  }

  @Test(arguments: ["encode", "decode", "explain"])
  func `the help of a command teaches by example`(command: String) throws {
    let help = try hitless(command, "--help")
    #expect(help.status == 0)
    #expect(help.output.contains("Examples:\n  hitless delta \(command) "))
  }

  /// Three alignments are made at once, and many covers tried: on one processor they come one after the other.
  @Test func `on one processor the delta is the same, byte by byte`() throws {
    let numbers = try #require(
      String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        .split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") })
    let first = try #require(numbers.split(whereSeparator: { !$0.isNumber }).first)
    let library = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
    let whole = try Data(contentsOf: URL(fileURLWithPath: library))
    // The first half, and behind it what it has in another order.
    try whole.prefix(200_000).write(to: file("first"))
    var moved = whole.prefix(200_000)
    moved.replaceSubrange(60_000..<100_000, with: whole[80_000..<100_000] + whole[60_000..<80_000])
    try moved.write(to: file("second"))
    try #require(hitless("encode", "first", "second", "-o", "several").status == 0)
    let alone = try run(
      "/usr/bin/taskset",
      [
        "-c", String(first), BuiltProduct.path("hitless"), "delta", "encode", "first", "second",
        "-o", "one",
      ], in: directory.url)
    #expect(alone.status == 0)
    #expect(try bytes("several") == bytes("one"))
  }

  @Test func `a missing file and a directory are named`() throws {
    let missing = try hitless("encode", "old", "nowhere", "-o", "delta")
    #expect(missing.status == 61)
    #expect(missing.errors.contains("nowhere"))
    let directory = try hitless("encode", "old", ".", "-o", "delta")
    #expect(directory.status == 10)
    #expect(!exists("delta"))
  }

  private func encode() throws {
    #expect(try hitless("encode", "old", "new", "-o", "delta").status == 0)
  }

  private func hitless(_ arguments: String...) throws -> ProgramRun { try hitless(arguments) }

  private func hitless(_ arguments: [String]) throws -> ProgramRun {
    try run(BuiltProduct.path("hitless"), ["delta"] + arguments, in: directory.url)
  }

  /// script(1) gives the program a terminal, to which it writes both its outputs.
  private func onTerminal(_ arguments: String) throws -> ProgramRun {
    let command = "\(try BuiltProduct.path("hitless")) delta \(arguments)"
    return try run("/usr/bin/script", ["-qec", command, "/dev/null"], in: directory.url)
  }

  private func inspect(_ arguments: String...) throws -> ProgramRun {
    try run(BuiltProduct.path("hitless"), ["inspect"] + arguments, in: directory.url)
  }

  private func file(_ name: String) -> URL { directory.url.appendingPathComponent(name) }

  private func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: file(name))) }

  private func exists(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: file(name).path)
  }
}
