internal import Bytes
internal import Glibc
internal import Platform
internal import Refusal

/// The two streams: what was asked for on stdout; errors, hints and what is under way on stderr.
enum Console {
  /// Prints one line.
  ///
  /// A reader that has gone stops nothing: packets are forwarded whether anybody looks or not.
  static func print(_ line: String) { write(line + "\n", to: STDOUT_FILENO) }

  /// Prints one JSON object on one line.
  static func print(_ value: JSON) { print(value.text) }

  /// Says what is under way.
  static func note(_ text: String) { write("upfd: \(text)\n", to: STDERR_FILENO) }

  /// Passes on a line that names who says it.
  static func log(_ line: String) { write(line + "\n", to: STDERR_FILENO) }

  /// Prints why something failed.
  static func report(_ refusal: Refusal) {
    var text = "\(refusal)"
    if let location = refusal.location, !text.contains(location) { text += " (\(location))" }
    write("upfd: error: \(text)\n", to: STDERR_FILENO)
    if let hint = refusal.hint { write("upfd: hint: \(hint)\n", to: STDERR_FILENO) }
  }

  private static func write(_ text: String, to number: Int32) {
    // A duplicate, because the owner closes what it owns.
    let output = FileDescriptor(owning: dup(number))
    try? output.write(Array(text.utf8), to: "output")
  }
}
