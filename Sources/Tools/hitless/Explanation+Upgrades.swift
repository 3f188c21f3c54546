internal import PatchFormat

extension Explanation {
  /// The prose for an upgrade class.
  init(_ upgrade: UpgradeClass) {
    let (meaning, reason, remedy) = upgrade.prose
    self.init(
      kind: .upgrade, name: upgrade.name, meaning: meaning, reason: reason, remedy: remedy)
  }
}

extension UpgradeClass {
  fileprivate var prose: (String, String, String) {
    switch self {
    case .policy:
      (
        "Only a policy document changes, no code.",
        "Nothing is mapped or swapped; the host reads another document.",
        "Install and activate it as any patch."
      )
    case .hot:
      (
        "The module can be swapped under load.",
        "Interface and per-record state are the same, so both versions can serve the same"
          + " sessions, and going back is as simple as going forward.",
        "Install, activate, watch, confirm."
      )
    case .hotWithMigration:
      (
        "The module can be swapped under load; per-record state is rewritten on the way.",
        "The layout of a record changed, and the module can rewrite it in both directions. One record is"
          + " never served by both versions.",
        "As 'hot'; a canary is possible by flow only."
      )
    case .restart:
      (
        "The change needs a restart of the host.",
        "The slot's interface or the layout of a record changed and nothing can rewrite it: a live swap"
          + " would misread what is there.",
        "Plan a restart, or change the module so that it keeps the old layout."
      )
    }
  }
}
