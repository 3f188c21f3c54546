internal import ArgumentParser

/// Placeholder.
struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "diff")
}
