internal import ArgumentParser

/// Placeholder.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "explain")
}
