internal import ArgumentParser
internal import Bytes
internal import Glibc
internal import Platform
internal import Refusal

/// The two streams: results on stdout; errors, hints, warnings and progress on stderr.
enum Console {
  /// Writes what a terminal is to obey; for a picture, whose texts have been made printable.
  static func draw(_ text: String) throws(Refusal) { try write(text) }

  /// Prints one line of a result; a full disk behind stdout is an error, not silence.
  ///
  /// When nobody reads any more the command ends at once and quietly, see `endUnread`.
  static func print(_ line: String) throws(Refusal) { try write(line.printable + "\n") }

  private static func write(_ text: String) throws(Refusal) {
    // A duplicate, because the owner closes what it owns.
    let output = FileDescriptor(owning: dup(STDOUT_FILENO))
    do throws(SystemError) {
      try output.write(Array(text.utf8), to: "standard output")
    } catch {
      if error.code == EPIPE { endUnread() }
      throw error.refusal
    }
  }

  /// Ends the process as SIGPIPE ends other tools: without a word, so that `hitless … | head -1` looks as
  /// it should, and not with 0, because what was not read may have been a verdict.
  ///
  /// Only here: a socket whose other end has gone stays an error that is reported.
  private static func endUnread() -> Never {
    signal(SIGPIPE, SIG_DFL)
    raise(SIGPIPE)
    // The signal is blocked: the code that a shell would have shown for it.
    Glibc.exit(128 + SIGPIPE)
  }

  /// Prints a result as one JSON object.
  static func print(_ value: JSON) throws(Refusal) { try print(value.text) }

  /// Prints something that does not stop the command, but that nobody should miss.
  static func warn(_ text: String) { writeError("hitless: warning: \(text.printable)\n") }

  /// Prints why a command failed.
  static func report(_ refusal: Refusal, json: Bool) {
    writeError("hitless: error: \(refusal.fullText.printable)\n")
    if let hint = refusal.hint { writeError("hitless: hint: \(hint.printable)\n") }
    if json { try? print(refusal.json) }
  }

  /// Prints help, or why the arguments make no sense, and returns the exit code for it.
  static func report(parsing error: any Error) -> Int32 {
    guard Hitless.exitCode(for: error) != .success else {
      // Help and version are results.
      try? write(Hitless.fullMessage(for: error) + "\n")
      return 0
    }
    writeError("hitless: error: \(Hitless.message(for: error).printable)\n")
    writeError(
      "hitless: hint: 'hitless --help' lists the commands, 'hitless COMMAND --help' explains one\n")
    return RefusalClass.usage.rawValue
  }

  /// Shows how far `what` has come, on a terminal only.
  static func progress(_ what: String, _ fraction: Double) {
    guard isatty(STDERR_FILENO) == 1 else { return }
    let percent = Int((min(max(fraction, 0), 1) * 100).rounded())
    writeError("\r\(what): \(percent) %\(percent == 100 ? "\r\u{1b}[K" : "")")
  }

  private static func writeError(_ text: String) {
    let output = FileDescriptor(owning: dup(STDERR_FILENO))
    try? output.write(Array(text.utf8), to: "standard error")
  }
}

extension String {
  /// The text without what a terminal would obey or a reader of lines would stumble over.
  ///
  /// Names of symbols and sections come from files that anybody may have made: none of them may move
  /// the cursor, or begin a line that looks like one of ours.
  var printable: String {
    let replaced = unicodeScalars.map { scalar -> Character in
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: "\u{fffd}"
      default: Character(scalar)
      }
    }
    return String(replaced)
  }
}

extension Refusal {
  /// The description with the place, when the message does not name it.
  var fullText: String {
    guard let location, !description.contains(location) else { return description }
    return "\(description) (\(location))"
  }
}
