import Bytes
import Foundation
import Journal
import TestSupport
import Testing

/// The log of a journal that is open, as that of a running host, and what somebody may do to a copy of it.
@Suite("hitless audit")
struct AuditTests {
  let bench: Workbench
  private let newline = UInt8(ascii: "\n")

  init() throws {
    bench = try Workbench()
    let journal = try Journal(at: bench.directory.path("state"), now: 1)
    for number in 1...9 {
      let kind = number.isMultiple(of: 3) ? "refused" : "activated"
      try journal.record(
        AuditEntry(
          kind, time: 1_800_000_000_000_000_000 + UInt64(number),
          [("transaction", .unsigned(UInt64(number / 2))), ("detail", .string("number \(number)"))])
      )
    }
  }

  @Test func `a whole chain is said to be whole, and another program agrees`() throws {
    let outcome = try bench.succeed("audit", "verify", "state")
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.first == "lines: 9, 1 to 9: chain whole")
    let script = """
      import hashlib, json, sys
      previous = "0" * 64
      for number, line in enumerate(open(sys.argv[1], "rb").read().splitlines(), 1):
          entry = json.loads(line)
          assert (entry["number"], entry["previous"]) == (number, previous), number
          previous = hashlib.sha256(line).hexdigest()
      print(f"{number}:{previous}")
      """
    let judge = try run(
      "/usr/bin/python3", ["-c", script, bench.directory.path("state/audit.jsonl")])
    #expect(judge.status == 0, "\(judge.errors)")
    #expect(lines.last == "last: \(judge.output.dropLast())")
  }

  @Test func `the JSON says the same`() throws {
    let object = try bench.object(try bench.succeed("audit", "verify", "--json", "state"))
    #expect(object["lines"] as? Int == 9)
    #expect(object["first"] as? Int == 1)
    #expect(object["last"] as? Int == 9)
    #expect((object["digest"] as? String)?.count == 64)
    #expect(object["tornBytes"] as? Int == 0)
  }

  /// What was done to the lines, and the line before which the chain is broken then.
  @Test(arguments: [
    ("changed", 5), ("dropped", 4), ("the first one dropped", 0), ("two swapped", 4),
    ("one doubled", 5), ("one added", 10), ("not JSON", 4), ("empty", 4),
  ])
  func `the first line that is not what it was is named`(what: String, broken: Int) throws {
    var lines = try log()
    switch what {
    case "changed": lines[3] = lines[3].map { $0 == UInt8(ascii: "4") ? UInt8(ascii: "7") : $0 }
    case "dropped": lines.remove(at: 3)
    case "the first one dropped": lines.removeFirst()
    case "two swapped": lines.swapAt(3, 4)
    case "one doubled": lines.insert(lines[3], at: 4)
    case "one added": lines.append(lines[8])
    case "not JSON": lines[3] = Array("nonsense".utf8)
    default: lines[3] = []
    }
    // The changed number makes its own line another one; any other change shows in the line behind it.
    let place = what == "changed" ? 4 : broken
    try write(lines)
    let outcome = try bench.refuse(22, "audit", "verify", "state")
    if broken > 0 { #expect(outcome.errors.contains("line \(place) of audit.jsonl")) }
    let json = try bench.object(try bench.refuse(22, "audit", "verify", "--json", "state"))
    #expect(json["class"] as? String == "integrity")
  }

  @Test func `a changed word in a line is found out by the line behind it`() throws {
    var lines = try log()
    let text = String(decoding: lines[6], as: UTF8.self)
    lines[6] = Array(text.replacingOccurrences(of: "number 7", with: "number 8").utf8)
    try write(lines)
    let outcome = try bench.refuse(22, "audit", "verify", "state")
    #expect(outcome.errors.contains("before line 8 of audit.jsonl"))
  }

  @Test func `a torn last line is a warning, every length of it`() throws {
    let whole = try log()
    for count in [1, 10, whole[8].count - 1, whole[8].count] {
      try write(Array(whole.dropLast()), torn: Array(whole[8].prefix(count)))
      let outcome = try bench.hitless("audit", "verify", "--json", "state")
      #expect(outcome.status == 0)
      #expect(outcome.errors.hasPrefix("hitless: warning: the last line is not whole"))
      let object = try bench.object(outcome)
      #expect(object["tornBytes"] as? Int == count)
      #expect(object["last"] as? Int == 8)
    }
  }

  /// The chain of what is left is whole: only who noted a line can tell.
  @Test func `an end that was cut off is found out by whoever noted a line of it`() throws {
    let output = try bench.succeed("audit", "verify", "state").output
    let noted = String(output.split(separator: "last: ")[1].dropLast())
    try bench.succeed("audit", "verify", "--known", noted, "state")
    let whole = try log()
    try write(Array(whole.dropLast(2)))
    try bench.succeed("audit", "verify", "state")
    let cut = try bench.refuse(22, "audit", "verify", "--known", noted, "state")
    #expect(cut.errors.contains("cut off"))
    try write(whole)
    let other = noted.dropLast() + (noted.hasSuffix("0") ? "1" : "0")
    try bench.refuse(22, "audit", "verify", "--known", String(other), "state")
  }

  @Test func `the chain is walked over the rotation, and the part before it may not be missing`()
    throws
  {
    let filler = String(repeating: "x", count: 60_000)
    do {
      let journal = try Journal(at: bench.directory.path("state"), now: 1)
      for _ in 0..<300 {
        try journal.record(AuditEntry("filled", time: 2, [("filler", .string(filler))]))
      }
    }
    let object = try bench.object(try bench.succeed("audit", "verify", "--json", "state"))
    #expect(object["last"] as? Int == 309)
    #expect((object["first"] as? Int ?? 0) > 1)
    let rotated = try bench.directory.bytes("state/audit.1.jsonl")
    try bench.directory.write("state/audit.1.jsonl", Array(rotated.dropLast()))
    try bench.refuse(22, "audit", "verify", "state")
    let line = rotated.dropLast().lastIndex(of: newline) ?? 0
    try bench.directory.write("state/audit.1.jsonl", Array(rotated[...line]))
    let outcome = try bench.refuse(22, "audit", "verify", "state")
    #expect(outcome.errors.contains("before line 1 of audit.jsonl"))
    removeTree(bench.directory.path("state/audit.1.jsonl"))
    try bench.refuse(22, "audit", "verify", "state")
  }

  @Test func `lines are shown, by their number, their kind and their transaction`() throws {
    func shown(_ arguments: String...) throws -> [String] {
      let outcome = try run(
        try BuiltProduct.path("hitless"), ["audit", "show"] + arguments + ["state"],
        in: bench.directory.url)
      #expect(outcome.status == 0 && outcome.errors == "")
      return outcome.output.split(separator: "\n").map(String.init)
    }
    #expect(try shown().count == 9)
    #expect(try shown()[1] == "2 2027-01-15T08:00:00Z activated [1]: number 2")
    #expect(try shown("--event", "refused").count == 3)
    #expect(try shown("--transaction", "4").count == 2)
    #expect(try shown("--last", "1")[0].hasPrefix("9 "))
    let raw = try shown("--last", "1", "--json")
    #expect(Array(raw[0].utf8) == (try log()[8]))
  }

  @Test func `what is no state directory is refused, and so is none at all`() throws {
    try bench.refuse(61, "audit", "verify", "nowhere")
    try FileManager.default.createDirectory(
      atPath: bench.directory.path("empty"), withIntermediateDirectories: false)
    try bench.refuse(43, "audit", "verify", "empty")
    try bench.refuse(2, "audit", "verify")
    try bench.refuse(2, "audit", "verify", "--known", "9", "state")
    try bench.refuse(2, "audit", "show", "--last", "0", "state")
  }

  private func log() throws -> [[UInt8]] {
    try bench.directory.bytes("state/audit.jsonl").split(
      separator: newline, omittingEmptySubsequences: false
    ).dropLast().map { Array($0) }
  }

  private func write(_ lines: [[UInt8]], torn: [UInt8] = []) throws {
    try bench.directory.write(
      "state/audit.jsonl", Array(lines.map { $0 + [newline] }.joined()) + torn)
  }
}
