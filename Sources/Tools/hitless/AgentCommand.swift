internal import ArgumentParser

/// Placeholder.
struct AgentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "agent")
}
