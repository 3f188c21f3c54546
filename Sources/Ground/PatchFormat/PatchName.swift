internal import Bytes

/// The rules for the names and labels in a manifest (docs/format.md, section 5.3).
package enum PatchName {
  /// Whether `name` may name a module or a product: `[a-z0-9][a-z0-9._-]{0,30}`, no dot at the end.
  package static func isName(_ name: String) -> Bool { PlainName.isValid(name.utf8) }

  /// Whether `label` may be a release id or the id of something resolved: visible ASCII, no space.
  package static func isLabel(_ label: String) -> Bool {
    (1...PatchLimits.labelLength).contains(label.utf8.count)
      && label.utf8.allSatisfy { (0x21...0x7e).contains($0) }
  }

  /// What of a hostile text can be shown on a terminal.
  static func quoted(_ text: String) -> String {
    let shown = text.unicodeScalars.prefix(PatchLimits.labelLength)
      .map { (0x20...0x7e).contains($0.value) ? String($0) : "?" }.joined()
    return "'\(shown)\(text.unicodeScalars.count > PatchLimits.labelLength ? "…" : "")'"
  }
}
