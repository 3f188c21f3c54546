internal import ArgumentParser

/// Placeholder.
struct DeltaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "delta")
}
