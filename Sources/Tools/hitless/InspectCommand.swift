internal import ArgumentParser

/// Placeholder.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "inspect")
}
