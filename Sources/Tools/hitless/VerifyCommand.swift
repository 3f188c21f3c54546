internal import ArgumentParser

/// Placeholder.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "verify")
}
