internal import ArgumentParser

/// Placeholder.
struct LintCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "lint")
}
