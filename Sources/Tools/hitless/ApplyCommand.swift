internal import ArgumentParser

/// Placeholder.
struct ApplyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "apply")
}
