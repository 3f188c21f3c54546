package import Bytes

/// Why something was refused: the one error type above the decoders.
///
/// The command line prints it, the agent logs it, the control socket carries it and the C ABI returns
/// its class; all four from this one value.
package struct Refusal: Error, Equatable, Sendable {
  /// The class; its raw value is the exit code.
  package let kind: RefusalClass
  /// A sentence without its full stop: what is wrong, with the file in quotes where there is one.
  package let message: String
  /// What was expected, where two values were compared.
  package var expected: String?
  /// What was found.
  package var found: String?
  /// Where: a byte offset, a component, a symbol, a path.
  package var location: String?
  /// What to do next.
  package var hint: String?
  /// Every single reason as an object, where there can be several: what `hitless lint` finds.
  package var violations: [JSON] = []

  /// Creates a refusal.
  package init(
    _ kind: RefusalClass, _ message: String, expected: String? = nil, found: String? = nil,
    at location: String? = nil, hint: String? = nil
  ) {
    self.kind = kind
    self.message = message
    self.expected = expected
    self.found = found
    self.location = location
    self.hint = hint
  }

  /// Translates a decoder's error at the border of its layer; `what` names what was being decoded.
  package init(_ error: FormatError, in what: String) {
    let kind: RefusalClass =
      switch error.reason {
      case .overLimit: .limit
      case .unsupported: .unsupported
      case .mismatch: .integrity
      case .badName: .path
      case .truncated, .trailing, .illegal, .notCanonical: .format
      }
    self.init(kind, "\(what): \(error)", at: "byte \(error.offset)")
  }
}

extension Refusal: CustomStringConvertible {
  /// The message, with what was expected and found.
  package var description: String {
    var text = message
    if let expected { text += ", expected \(expected)" }
    if let found { text += ", found \(found)" }
    return text
  }

  /// The object that `--json` prints and the agent logs.
  package var json: JSON {
    var entries: [(String, JSON)] = [
      ("class", .string(kind.name)), ("code", .integer(Int64(kind.rawValue))),
      ("message", .string(message)),
    ]
    for (key, value) in [
      ("expected", expected), ("found", found), ("where", location), ("hint", hint),
    ] {
      if let value { entries.append((key, .string(value))) }
    }
    if !violations.isEmpty { entries.append(("violations", .array(violations))) }
    return .object(entries)
  }
}
