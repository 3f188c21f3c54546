internal import ArgumentParser
internal import Bytes
internal import ElfImage
internal import PatchFormat
internal import Refusal

/// Says in prose what an error class, an upgrade class or a rule of the lint means.
struct ExplainCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Say what an error class, an upgrade class or a lint rule means, and what to do.",
    discussion: """
      Every refusal has a class; its number is the exit code of this program, the status of the C \
      library, and the code in the agent's log. 0 is success.

      Examples:
        hitless explain
        hitless explain 41
        hitless explain wrong-base
        hitless explain hot-with-migration
        hitless explain writable-data
      """)

  @Argument(help: "A number or a name; without it, all are listed.")
  var name: String?

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    guard let name else { return try printList() }
    guard let explanation = Explanation.all.first(where: { $0.isNamed(name) }) else {
      throw Refusal(
        .usage, "no class and no rule is called '\(name)'", hint: "'hitless explain' lists them")
    }
    if json {
      try Console.print(explanation.json)
      return
    }
    try Console.print(explanation.title)
    for part in explanation.parts {
      try Console.print("")
      try Console.print("\(part.0): \(part.1)")
    }
  }

  private func printList() throws(Refusal) {
    if json {
      try Console.print(.object([("classes", .array(Explanation.all.map(\.json)))]))
      return
    }
    for explanation in Explanation.all { try Console.print(explanation.line) }
  }
}

/// What is to be said about one class or rule.
struct Explanation {
  /// What can be explained.
  enum Kind: Equatable {
    /// Success or a class of errors, with its exit code.
    case error(Int32)
    /// What it takes to put a change in force.
    case upgrade
    /// A rule of `hitless lint`.
    case rule
  }

  let kind: Kind
  let name: String
  let meaning: String
  let reason: String
  let remedy: String

  /// Everything that can be explained: success, errors by number, upgrade classes, rules.
  static var all: [Explanation] {
    [.success] + RefusalClass.allCases.map { Explanation($0) }
      + UpgradeClass.allCases.map { Explanation($0) }
      + LintRule.allCases.map { Explanation($0) }
  }

  /// The exit code of a class of errors.
  private var code: Int32? {
    guard case .error(let code) = kind else { return nil }
    return code
  }

  private var kindName: String {
    switch kind {
    case .error(let code): "exit code \(code)"
    case .upgrade: "upgrade class"
    case .rule: "lint rule"
    }
  }

  func isNamed(_ text: String) -> Bool {
    text == name || (code.map { "\($0)" == text } ?? false)
  }

  var title: String {
    "\(name) (\(kindName))"
  }

  var parts: [(String, String)] {
    [("What it means", meaning), ("Why", reason), ("What to do", remedy)]
  }

  var line: String {
    let number = code.map { "\($0)" } ?? "-"
    let padding = String(repeating: " ", count: max(0, 3 - number.count))
    let gap = String(repeating: " ", count: max(1, 20 - name.count))
    return "\(padding)\(number)  \(name)\(gap)\(meaning)"
  }

  var json: JSON {
    .object([
      ("name", .string(name)), ("kind", .string(kindName)),
      ("code", code.map { .integer(Int64($0)) } ?? .null),
      ("meaning", .string(meaning)), ("why", .string(reason)), ("remedy", .string(remedy)),
    ])
  }
}
