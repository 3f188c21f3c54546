internal import Bytes
internal import Glibc
internal import Platform
internal import Refusal

/// The two streams: counters on stdout; errors, hints and what is under way on stderr.
enum Console {
  /// Prints one line of counters.
  ///
  /// A reader that has gone stops nothing: packets are moved whether anybody looks or not.
  static func print(_ value: JSON) { write(value.text + "\n", to: STDOUT_FILENO) }

  /// Says what is under way.
  static func note(_ text: String) { write("gnbsim: \(text)\n", to: STDERR_FILENO) }

  /// Prints why the command failed.
  static func report(_ refusal: Refusal) {
    write("gnbsim: error: \(refusal)\n", to: STDERR_FILENO)
    if let hint = refusal.hint { write("gnbsim: hint: \(hint)\n", to: STDERR_FILENO) }
  }

  private static func write(_ text: String, to number: Int32) {
    // A duplicate, because the owner closes what it owns.
    let output = FileDescriptor(owning: dup(number))
    try? output.write(Array(text.utf8), to: "output")
  }
}
