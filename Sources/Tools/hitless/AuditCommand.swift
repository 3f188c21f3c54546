internal import ArgumentParser
internal import Bytes
internal import Foundation
internal import Journal
internal import Refusal

/// Reads what an agent has written down.
struct AuditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Check and show the audit log of a host.",
    discussion: """
      Reads the files of the state directory, whether the host is running or not, and changes \
      nothing. The directory can also be given in the environment variable HITLESS_STATE.

      Examples:
        hitless audit verify /var/lib/upf/hitless
        hitless audit verify --known 812:5d0c…e1 /var/lib/upf/hitless
        hitless audit show --last 50 /var/lib/upf/hitless
        hitless audit show --event rolled-back --json /var/lib/upf/hitless
      """,
    subcommands: [AuditVerifyCommand.self, AuditShowCommand.self])
}

/// Which state directory.
struct AuditSource: ParsableArguments {
  @Argument(help: "The state directory (default: $HITLESS_STATE).")
  var state: String?

  /// Both parts of the log, as they are now.
  func files() throws(Refusal) -> AuditFiles {
    guard let path = state ?? ProcessInfo.processInfo.environment["HITLESS_STATE"] else {
      throw Refusal(
        .usage, "no state directory was named",
        hint: "say 'hitless audit verify STATE' or set HITLESS_STATE")
    }
    return try AuditFiles(inStateDirectory: path)
  }
}

/// Walks the chain.
struct AuditVerifyCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check that every line names the digest of the line before it.",
    discussion: """
      Walks from the oldest line that is kept to the last one, over the rotation, and ends with 22 at \
      the first line that was changed, dropped, added or moved. A last line that is not whole is no \
      error: a crash may have torn it, or the host is writing it.

      Lines that were cut off at the end leave a chain that is whole. Note the last line from time to \
      time, elsewhere, and name it with --known: then it must still be there.

      Examples:
        hitless audit verify /var/lib/upf/hitless
        hitless audit verify --known 812:5d0c…e1 /var/lib/upf/hitless
      """)

  @Option(
    help: ArgumentHelp(
      "A line that was noted before, as 'verify' prints the last one.", valueName: "number:sha256"))
  var known: String?
  @Flag(help: "Print the result as one JSON object.")
  var json = false
  @OptionGroup var source: AuditSource

  func validate() throws {
    if known != nil && knownLine == nil {
      throw ValidationError("--known is a line's number, a colon, and 64 hexadecimal digits")
    }
  }

  func run() throws {
    let report = try source.files().check(known: knownLine)
    if report.tornBytes > 0 {
      Console.warn(
        "the last line is not whole (\(report.tornBytes) bytes): torn by a crash, which the next"
          + " start mends, or just being written")
    }
    guard json else {
      try Console.print("lines: \(report.lines), \(report.first) to \(report.last): chain whole")
      return try Console.print("last: \(report.last):\(report.digest)")
    }
    try Console.print(
      .object([
        ("lines", .unsigned(report.lines)), ("first", .unsigned(report.first)),
        ("last", .unsigned(report.last)), ("digest", .string(report.digest)),
        ("tornBytes", .integer(Int64(report.tornBytes))),
      ]))
  }

  private var knownLine: (number: UInt64, digest: String)? {
    guard let parts = known?.split(separator: ":", maxSplits: 1), parts.count == 2,
      let number = UInt64(parts[0]), let digest = [UInt8](hex: String(parts[1])), digest.count == 32
    else { return nil }
    return (number, digest.hex)
  }
}

/// Shows lines.
struct AuditShowCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Print lines of the audit log, oldest first.",
    discussion: """
      Prints what is there; whether it is what was written is what 'verify' says. With --json each \
      line is the object that is in the log.

      Examples:
        hitless audit show --last 50 /var/lib/upf/hitless
        hitless audit show --transaction 812 /var/lib/upf/hitless
      """)

  @Option(help: "Only the last N of them.") var last: Int?
  @Option(help: "Only events of this kind, such as 'rolled-back'.") var event: String?
  @Option(help: "Only lines of this transaction.") var transaction: UInt64?
  @Flag(help: "Print each line as the JSON object it is.") var json = false
  @OptionGroup var source: AuditSource

  func validate() throws {
    if let last, last < 1 { throw ValidationError("--last must be 1 or more") }
  }

  func run() throws {
    let lines = try source.files().lines.map(AuditText.init(line:)).filter { line in
      (event.map { line.event == $0 } ?? true)
        && (transaction.map { line.transaction == $0 } ?? true)
    }
    for line in lines.suffix(last ?? lines.count) {
      try Console.print(json ? line.text : line.sentence)
    }
  }
}

/// One audit line, as far as it can be read.
private struct AuditText {
  let text: String
  private let fields: [String: Any]

  init(line: [UInt8]) {
    text = String(decoding: line, as: UTF8.self)
    fields = (try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]) ?? [:]
  }

  var event: String? { fields["event"] as? String }
  var transaction: UInt64? { number("transaction") }

  /// The line for people; as it is where it is none of an agent's.
  var sentence: String {
    guard let event, let time = number("time"), let number = number("number") else { return text }
    let owner = transaction.flatMap { $0 == 0 ? nil : " [\($0)]" } ?? ""
    return "\(number) \(UTCTime(seconds: time / 1_000_000_000)) \(event)\(owner): \(detail)"
  }

  private var detail: String {
    if let detail = fields["detail"] as? String { return detail }
    guard let refusal = fields["refusal"] as? [String: Any] else { return "" }
    let operation = fields["operation"] as? String ?? ""
    let message = "\(operation): \(refusal["message"] ?? "")"
    guard let left = number("suppressed"), left > 0 else { return message }
    return "\(message) (and \(left) more before it)"
  }

  private func number(_ name: String) -> UInt64? { (fields[name] as? NSNumber)?.uint64Value }
}
