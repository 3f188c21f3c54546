import Foundation
import TestSupport
import Testing

/// `watch` on a terminal, which `script` plays.
extension RunningTests {
  @Test func `watch draws a running upfd, waits for one that went away, and gives the screen back`()
    throws
  {
    let directory = try TemporaryDirectory()
    let socket = directory.path("agent")
    let daemon = try RunningDaemon("127.77.0.8", more: ["--control", socket])
    defer { daemon.kill() }
    let hitless = try BuiltProduct.path("hitless")
    let whole = try watching(hitless, socket, seconds: 3, in: directory)
    #expect(whole.hasPrefix("\u{1b}[?1049h\u{1b}[?25l"), "\(whole)")
    #expect(whole.hasSuffix("\u{1b}[?25h\u{1b}[?1049l"), "\(whole)")
    #expect(whole.components(separatedBy: "\u{1b}[H").count > 3, "\(whole)")
    #expect(whole.contains("stable   generation 1: classify 1.0.1 ("), "\(whole)")
    #expect(whole.contains("no transaction") && whole.contains("started"), "\(whole)")
    let terminal = try TerminalRun(hitless, socket, seconds: 30, to: directory.path("lost"))
    #expect(eventually { terminal.text.contains("no transaction") })
    daemon.die()
    #expect(
      eventually { terminal.text.contains("no answer from the agent") },
      "\(terminal.text)")
    terminal.end()
    let lost = try run(hitless, ["agent", "--socket", socket, "watch"])
    #expect(lost.status != 0 && lost.errors.contains("not running any more"), "\(lost.errors)")
  }

  @Test func `lines of watch go on with the upfd that comes after one that has died`() throws {
    let directory = try TemporaryDirectory()
    let socket = directory.path("agent")
    var daemon: RunningDaemon? = try RunningDaemon("127.77.0.14", more: ["--control", socket])
    defer { daemon?.kill() }
    let lines = try directory.write("lines", [])
    let watching = Process()
    watching.executableURL = URL(fileURLWithPath: try BuiltProduct.path("hitless"))
    watching.arguments = ["agent", "--socket", socket, "watch", "--after", "0", "--events", "4"]
    watching.standardInput = FileHandle.nullDevice
    watching.standardOutput = FileHandle(forWritingAtPath: lines)
    watching.standardError = watching.standardOutput
    try watching.run()
    defer { kill(watching.processIdentifier, SIGKILL) }
    func count(_ word: String) -> Int {
      let text = String(decoding: (try? directory.bytes("lines")) ?? [], as: UTF8.self)
      return text.components(separatedBy: " \(word): ").count - 1
    }
    #expect(eventually { count("started") == 1 })
    daemon?.die()
    daemon = nil
    daemon = try RunningDaemon("127.77.0.14", more: ["--control", socket])
    #expect(eventually { !watching.isRunning })
    #expect(watching.terminationStatus == 0)
    #expect(count("opened") == 2 && count("started") == 2)
  }

  private func watching(
    _ hitless: String, _ socket: String, seconds: Int, in directory: TemporaryDirectory
  ) throws -> String {
    let terminal = try TerminalRun(hitless, socket, seconds: seconds, to: directory.path("whole"))
    #expect(terminal.status == 0)
    return terminal.text
  }
}

/// A program on a terminal of its own, interrupted after some seconds.
final class TerminalRun {
  private let process = Process()
  private let path: String

  /// `socket` is the agent's; what is drawn is kept in `path`.
  ///
  /// A `size` is that of the terminal: columns and rows.
  init(
    _ hitless: String, _ socket: String, seconds: Int, to path: String, size: (Int, Int)? = nil
  ) throws {
    self.path = path
    let resize = size.map { "stty cols \($0.0) rows \($0.1); " } ?? ""
    let command =
      "\(resize)exec timeout --preserve-status -s INT \(seconds) '\(hitless)' agent --socket"
      + " '\(socket)' watch --interval 200"
    process.executableURL = URL(fileURLWithPath: "/usr/bin/script")
    process.arguments = ["-qefc", command, "--log-out", path]
    process.environment = ["TERM": "xterm", "PATH": "/usr/bin:/bin"]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
  }

  /// What was drawn so far, without the lines that `script` adds.
  var text: String {
    let bytes = FileManager.default.contents(atPath: path) ?? Data()
    let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\n")
    return lines.filter { !$0.hasPrefix("Script ") }.joined(separator: "\n")
      .trimmingCharacters(in: .newlines)
  }

  /// How it has ended.
  var status: Int32 {
    process.waitUntilExit()
    return process.terminationStatus
  }

  func end() {
    process.terminate()
    process.waitUntilExit()
  }
}
