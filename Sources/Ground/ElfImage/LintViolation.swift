package import Bytes

/// One reason why a module must not be loaded.
package struct LintViolation: Equatable, Sendable {
  /// The rule that is broken.
  package let rule: LintRule
  /// A sentence without its full stop: what is wrong.
  package let message: String
  /// The segment, the dynamic tag or the symbol.
  package let subject: String?

  /// The compiler or linker flag, or the change, that mends it.
  package var mend: String { rule.mend }

  /// The object that `--json` prints.
  package var json: JSON {
    .object([
      ("rule", .string(rule.rawValue)), ("message", .string(message)),
      ("where", subject.map(JSON.string) ?? .null), ("mend", .string(mend)),
    ])
  }
}

extension LintViolation: CustomStringConvertible {
  /// Rule, place and message on one line.
  package var description: String {
    "\(rule.rawValue): \(subject.map { "\($0): " } ?? "")\(message)"
  }
}
