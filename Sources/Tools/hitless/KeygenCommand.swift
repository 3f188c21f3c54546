internal import ArgumentParser

/// Placeholder.
struct KeygenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "keygen")
}
