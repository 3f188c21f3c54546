internal import ArgumentParser
internal import Bytes
internal import Foundation
internal import Journal
internal import Platform
internal import Probation
internal import Refusal

/// Decides again about rollouts.
struct AgentReplayCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Decide again what a host's rollouts were decided by; exits 22 when a line differs.",
    discussion: """
      A look at a rollout, or at a shadow before it, is a line of the audit log with all that the decision depends on, unless it only repeats the one before. \
      This reads the lines, without the agent and whether the host runs or not, decides again, and says for \
      each line whether it comes to the same. 'hitless audit verify' says whether the lines are \
      those that were written.

      Examples:
        hitless agent replay --audit /var/lib/upf/hitless
        hitless agent replay --audit audit.jsonl --transaction 812 --json
      """)

  @Option(help: "A state directory, or a file of audit lines (default: $HITLESS_STATE).")
  var audit: String?
  @Option(help: "Only lines of this transaction.") var transaction: UInt64?
  @Flag(help: "Print one JSON object per line.") var json = false

  func run() throws {
    let replayed = try lines().compactMap(ReplayedLine.init(line:)).filter { line in
      transaction.map { line.transaction == $0 } ?? true
    }
    for line in replayed { try Console.print(json ? line.json.text : line.sentence) }
    let wrong = replayed.filter { $0.outcome != .same }
    guard wrong.isEmpty else {
      throw Refusal(
        .integrity, "\(wrong.count) of \(replayed.count) decisions do not come to the same",
        hint: "'hitless audit verify' says whether the log is what was written")
    }
    if replayed.isEmpty {
      Console.warn("no line of the log is a decision about a rollout")
    } else if !json {
      try Console.print("decisions: \(replayed.count), all the same")
    }
  }

  private func lines() throws(Refusal) -> [[UInt8]] {
    guard let path = audit ?? ProcessInfo.processInfo.environment["HITLESS_STATE"] else {
      throw Refusal(
        .usage, "no audit log was named", hint: "say 'hitless agent replay --audit STATE'")
    }
    // Only a directory has this entry.
    if FileManager.default.fileExists(atPath: "\(path)/.") {
      return try AuditFiles(inStateDirectory: path).lines
    }
    return try RegularFile.read(path, limit: AuditFiles.sizeLimit).split(separator: 10).map {
      Array($0)
    }
  }
}

/// One line of the log, decided again.
private struct ReplayedLine {
  enum Outcome: Equatable {
    case same
    case other(String)
    case unreadable(String)
  }

  let number: UInt64
  let transaction: UInt64
  let detail: String
  let outcome: Outcome

  /// Nil when the line is no decision.
  init?(line: [UInt8]) {
    guard let object = try? JSONSerialization.jsonObject(with: Data(line)),
      case .object(let pairs) = JSON(parsed: object)
    else { return nil }
    let fields = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    let isShadow = fields["event"] == .string("compared")
    guard isShadow || fields["event"] == .string("judged") else { return nil }
    func number(_ name: String) -> UInt64 {
      if case .unsigned(let value)? = fields[name] { value } else { 0 }
    }
    self.number = number("number")
    transaction = number("transaction")
    detail = if case .string(let text)? = fields["detail"] { text } else { "" }
    outcome = isShadow ? Self.outcome(shadow: fields["shadow"]) : Self.outcome(fields["judgement"])
  }

  private static func outcome(shadow record: JSON?) -> Outcome {
    guard let record else { return .unreadable("the line has no comparison") }
    do throws(JudgementFault) {
      let recorded = try RecordedShadow(record)
      guard !recorded.isSame else { return .same }
      let decision = recorded.judgement.decide()
      return .other("\(decision.verdict.name), \(decision.action.name): \(decision.verdict.detail)")
    } catch {
      return .unreadable("its field '\(error.field)' is missing or wrong")
    }
  }

  private static func outcome(_ record: JSON?) -> Outcome {
    guard let record else { return .unreadable("the line has no judgement") }
    do throws(JudgementFault) {
      let recorded = try RecordedJudgement(record)
      guard !recorded.isSame else { return .same }
      let decision = recorded.judgement.decide()
      return .other("\(decision.verdict.name), \(decision.action.name): \(decision.verdict.detail)")
    } catch {
      return .unreadable("its field '\(error.field)' is missing or wrong")
    }
  }

  var sentence: String {
    let line = "\(number) [\(transaction)] \(detail)"
    switch outcome {
    case .same: return "\(line): same"
    case .other(let decision): return "\(line): NOT THE SAME: \(decision)"
    case .unreadable(let reason): return "\(line): CANNOT BE DECIDED: \(reason)"
    }
  }

  var json: JSON {
    let (name, again): (String, JSON) =
      switch outcome {
      case .same: ("same", .null)
      case .other(let decision): ("other", .string(decision))
      case .unreadable(let reason): ("unreadable", .string(reason))
      }
    return .object([
      ("number", .unsigned(number)), ("transaction", .unsigned(transaction)),
      ("detail", .string(detail)), ("outcome", .string(name)), ("again", again),
    ])
  }
}

extension JSON {
  /// What Foundation has parsed, which does not tell a Boolean from a number: records have none.
  fileprivate init(parsed object: Any) {
    switch object {
    case let fields as [String: Any]:
      self = .object(fields.map { ($0.key, JSON(parsed: $0.value)) })
    case let items as [Any]: self = .array(items.map { JSON(parsed: $0) })
    case let text as String: self = .string(text)
    case let number as NSNumber:
      self = UInt64(exactly: number).map { .unsigned($0) } ?? .number(number.doubleValue)
    default: self = .null
    }
  }
}
