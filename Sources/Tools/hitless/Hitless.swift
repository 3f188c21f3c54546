internal import ArgumentParser

/// The command line of release engineers, operators and auditors.
@main
struct Hitless: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hitless",
    abstract: "Change the code of a running data plane without losing a packet.",
    subcommands: [
      KeygenCommand.self, DiffCommand.self, VerifyCommand.self, InspectCommand.self,
      ApplyCommand.self, LintCommand.self, ExplainCommand.self, DeltaCommand.self,
      AgentCommand.self,
    ])
}
