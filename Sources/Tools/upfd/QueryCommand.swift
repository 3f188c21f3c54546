internal import ArgumentParser
internal import Platform
internal import Refusal

/// `upfd query`.
struct QueryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query", abstract: "Ask a running upfd; the answer is one JSON object.",
    discussion: """
      Requests: stats, accounting, sessions [FROM [LIMIT]], session SEID, reload. Exits with the \
      class of the error when the answer is one.
      """)

  @Option(help: ArgumentHelp("The socket of the running upfd.", valueName: "path"))
  var stats: String

  @Argument(help: ArgumentHelp("What to ask.", valueName: "request"))
  var request: [String] = ["stats"]

  func run() throws {
    let patience: UInt64 = 30_000_000_000
    let connection = try UnixConnection.connect(to: stats)
    let line = request.joined(separator: " ") + "\n"
    try connection.write(Array(line.utf8), .after(patience))
    var answer: [UInt8] = []
    while let byte = try connection.read(1, .after(patience))?.first, byte != 0x0a {
      answer.append(byte)
    }
    let text = String(decoding: answer, as: UTF8.self)
    Console.print(text)
    if let code = Self.errorCode(in: text) { throw ExitCode(code) }
  }

  /// The code of `{"error":{"class":…,"code":N,…}}`.
  private static func errorCode(in answer: String) -> Int32? {
    guard answer.hasPrefix(#"{"error":"#), let place = answer.firstRange(of: #""code":"#) else {
      return nil
    }
    return Int32(answer[place.upperBound...].prefix { $0.isNumber })
  }
}
