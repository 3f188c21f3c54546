import Foundation
import Refusal
import TestSupport
import Testing

/// hitless/status.h, docs/abi.md and `RefusalClass` are three copies of one table.
@Suite("Status table")
struct StatusTableTests {
  private func text(_ path: String) throws -> String {
    try String(contentsOfFile: "\(TestModule.root)/\(path)", encoding: .utf8)
  }

  /// Names with numbers as `RefusalClass` has them, and success.
  private var table: [String: Int] {
    RefusalClass.allCases.reduce(into: ["ok": 0]) { $0[$1.name] = Int($1.rawValue) }
  }

  @Test func `the header has the same numbers`() throws {
    var found: [String: Int] = [:]
    for line in try text("Sources/Ground/CHitless/include/hitless/status.h").split(separator: "\n")
    {
      let words = line.split { " =,".contains($0) }
      guard words.count == 2, words[0].hasPrefix("HITLESS_"), let number = Int(words[1]) else {
        continue
      }
      let name = words[0].replacingOccurrences(of: "HITLESS_STATUS_", with: "")
        .replacingOccurrences(of: "HITLESS_OK", with: "ok")
      found[name.lowercased().replacingOccurrences(of: "_", with: "-")] = number
    }
    #expect(found == table)
  }

  @Test func `the document has the same numbers`() throws {
    let document = try text("docs/abi.md")
    let section = try #require(
      document.components(separatedBy: "## Status codes").dropFirst().first)
    var found: [String: Int] = [:]
    for line in section.split(separator: "\n") where line.hasPrefix("| `") {
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      found[cells[0].replacingOccurrences(of: "`", with: "")] = Int(cells[1])
      #expect(cells.count == 4 && cells[2].hasPrefix("`HITLESS_"), "\(line)")
    }
    #expect(found == table)
  }

  @Test func `numbers leave room and are in order`() {
    let numbers = RefusalClass.allCases.map(\.rawValue)
    #expect(numbers == numbers.sorted())
    #expect(Set(numbers).count == numbers.count)
  }
}
