internal import Foundation
internal import Glibc
internal import Platform
internal import Refusal

/// The terminal behind standard output, on a screen of its own until `leave`.
///
/// Signals that end the program are held back meanwhile, so that the screen is always given back; `isInterrupted`
/// takes them.
struct Terminal {
  private static let enter = "\u{1b}[?1049h\u{1b}[?25l"
  private static let exit = "\u{1b}[?25h\u{1b}[?1049l"

  /// Whether standard output is one, and one that obeys.
  static var isOutput: Bool {
    let name = ProcessInfo.processInfo.environment["TERM"] ?? ""
    return isatty(STDOUT_FILENO) == 1 && !name.isEmpty && name != "dumb"
  }

  private let signals = HeldSignals()

  /// Takes the terminal.
  init() { try? Console.draw(Self.enter) }

  /// Gives the terminal back.
  func leave() {
    try? Console.draw(Self.exit)
    signals.release()
  }

  /// Waits so long; true at once when the program is asked to end.
  func isInterrupted(within milliseconds: UInt64) -> Bool {
    signals.next(withinMilliseconds: milliseconds) != nil
  }

  /// Columns and rows, as they are now.
  var size: TerminalSize { TerminalSize(of: STDOUT_FILENO) }

  /// Replaces what is shown by `lines`, without flicker: nothing is wiped before it is written over.
  func show(_ lines: [String]) throws(Refusal) {
    let rows = lines.map { $0 + "\u{1b}[K" }.joined(separator: "\r\n")
    try Console.draw("\u{1b}[H" + rows + "\u{1b}[J")
  }
}
