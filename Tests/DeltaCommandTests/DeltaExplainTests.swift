import Foundation
import Testing
import TestSupport

/// `hitless delta explain`: its sums, its names, and the pictures that it draws.
@Suite("hitless delta explain")
struct DeltaExplainTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    var module = TestModule()
    module.bulk = 20
    try module.build("old.so", in: directory)
    module.markedConstant = 0x1234_5678
    module.name = "another"
    try module.build("new.so", in: directory)
  }

  @Test func `sections, functions and causes each add up to the delta`() throws {
    let report = try explain("old.so", "new.so")
    let size = try #require(report["delta"] as? Double)
    let rest =
      try #require(report["header"] as? Double) + #require(report["rounding"] as? Double)
    #expect(abs(try sum(report["causes"]) + rest - size) < 0.001)
    for table in ["sections", "functions"] {
      let rows = try #require(report[table] as? [[String: Any]])
      #expect(abs(try rows.reduce(rest) { try $0 + number($1, "bytes") } - size) < 0.001)
      for row in rows { #expect(abs(try sum(row["causes"]) - number(row, "bytes")) < 0.001) }
      let costs = try rows.map { try number($0, "bytes") }
      #expect(costs == costs.sorted(by: >))
    }
    #expect(abs(try #require(report["rounding"] as? Double)) < 4)
  }

  @Test func `the delta that is explained is the one that encode writes`() throws {
    let report = try explain("old.so", "new.so")
    let encoded = try hitless("encode", "old.so", "new.so", "-o", "delta", "--json")
    let size = try #require(try object(encoded.output)["delta"] as? Double)
    #expect(size == report["delta"] as? Double)
    #expect(report["foresight"] as? String == "code")
    #expect(report["plainReason"] is NSNull)
  }

  @Test func `the function that changed is the most expensive one`() throws {
    let report = try explain("old.so", "new.so")
    let rows = try #require(report["functions"] as? [[String: Any]])
    let names = rows.compactMap { $0["name"] as? String }
    #expect(names.first { !$0.hasPrefix("(") } == "answer")
    let answer = try #require(rows.first { $0["name"] as? String == "answer" })
    #expect(answer["section"] as? String == "hitless_patchable")
    #expect(try number(answer, "bytes") > 2)
  }

  @Test func `a name in a file reaches neither the terminal nor the browser`() throws {
    let hostile = "<a>'&\u{1b}"
    for file in ["old.so", "new.so"] { try rename("answer", hostile, in: file) }
    let run = try hitless("explain", "old.so", "new.so", "--html", "page", "--svg", "drawing")
    #expect(run.status == 0)
    #expect(run.output.contains("<a>'&\u{fffd} "))
    #expect(!run.output.contains("\u{1b}"))
    for picture in ["page", "drawing"] {
      let text = String(decoding: try bytes(picture), as: UTF8.self)
      #expect(text.contains("&lt;a&gt;&#39;&amp;\u{fffd}"))
      #expect(!text.contains("<a>") && !text.contains("\u{1b}"))
    }
  }

  @Test func `a picture is well-formed and refers to nothing outside`() throws {
    let run = try hitless("explain", "old.so", "new.so", "--html", "page", "--svg", "drawing")
    #expect(run.status == 0)
    let page = String(decoding: try bytes("page"), as: UTF8.self)
    let drawing = String(decoding: try bytes("drawing"), as: UTF8.self)
    #expect(page.contains(drawing))
    for word in ["<script", "href", "src=", "url(", "@import"] { #expect(!page.contains(word)) }
    let judge = "import sys, xml.dom.minidom as m; m.parse(sys.argv[1])"
    let parsed = try TestSupport.run(
      "/usr/bin/python3", ["-c", judge, "drawing"], in: directory.url)
    #expect(parsed.status == 0, "\(parsed.errors)")
  }

  @Test func `a picture never takes the place of an input`() throws {
    let old = try bytes("old.so")
    for name in ["old.so", "./old.so"] {
      let run = try hitless("explain", "old.so", "new.so", "--svg", name)
      #expect(run.status == 43)
    }
    #expect(try bytes("old.so") == old)
  }

  @Test func `only some functions are listed, unless all are asked for`() throws {
    let some = try hitless("explain", "old.so", "new.so").output.split(separator: "\n")
    let all = try hitless("explain", "old.so", "new.so", "--all").output.split(separator: "\n")
    #expect(some.contains { $0.hasPrefix("and ") && $0.hasSuffix("'--all' lists them") })
    #expect(!all.contains { $0.hasPrefix("and ") })
    #expect(all.count > some.count)
  }

  @Test func `why a file is not coded as ELF is said`() throws {
    try directory.write("text", Array("some text\n".utf8))
    var cut = try bytes("new.so")
    cut.removeLast(cut.count / 2)
    try directory.write("cut.so", cut)
    var other = try bytes("new.so")
    other[18] = 183
    try directory.write("other.so", other)
    var unknown = (try bytes("old.so"), try bytes("new.so"))
    (unknown.0[18], unknown.1[18]) = (8, 8)
    try directory.write("mips-old.so", unknown.0)
    try directory.write("mips-new.so", unknown.1)
    let cases = [
      ("old.so", "text", "bytes", "the new file is no ELF file"),
      ("text", "new.so", "frame", "the old file is no ELF file"),
      ("old.so", "cut.so", "bytes", "header tables are cut off, damaged or longer"),
      ("old.so", "other.so", "frame", "different machines, x86-64 and aarch64"),
      ("mips-old.so", "mips-new.so", "tables", "instructions of e_machine 8 are not known"),
    ]
    for (old, new, foresight, reason) in cases {
      let told = try hitless("encode", old, new, "-o", "delta")
      #expect(told.status == 0)
      #expect(told.output.contains(reason))
      let report = try explain(old, new)
      #expect(report["foresight"] as? String == foresight)
      #expect((report["plainReason"] as? String)?.contains(reason) == true)
      let decoded = try hitless("decode", old, "delta", "-o", "result")
      #expect(decoded.status == 0)
      #expect(try bytes("result") == bytes(new))
    }
  }

  @Test func `effort is one of two words`() throws {
    let run = try hitless("encode", "old.so", "new.so", "-o", "delta", "--effort", "great")
    #expect(run.status == 2)
    #expect(!FileManager.default.fileExists(atPath: directory.path("delta")))
    let quick = try hitless("encode", "old.so", "new.so", "-o", "delta", "--effort", "quick")
    #expect(quick.status == 0)
  }

  private func explain(_ old: String, _ new: String) throws -> [String: Any] {
    let run = try hitless("explain", old, new, "--json")
    #expect(run.status == 0)
    #expect(run.errors.isEmpty)
    return try object(run.output)
  }

  private func object(_ text: String) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  private func sum(_ causes: Any?) throws -> Double {
    try #require(causes as? [String: Double]).values.reduce(0, +)
  }

  private func number(_ row: [String: Any], _ key: String) throws -> Double {
    try #require(row[key] as? Double)
  }

  private func rename(_ name: String, _ other: String, in file: String) throws {
    var data = Data(try bytes(file))
    let old = Data(name.utf8) + [0]
    let new = Data(other.utf8) + [0]
    try #require(old.count == new.count)
    let range = try #require(data.range(of: [0] + old))
    data.replaceSubrange(range, with: [0] + new)
    try directory.write(file, Array(data))
  }

  private func hitless(_ arguments: String...) throws -> ProgramRun {
    try run(BuiltProduct.path("hitless"), ["delta"] + arguments, in: directory.url)
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: directory.url.appendingPathComponent(name)))
  }
}
