internal import AgentControl
internal import ArgumentParser
internal import Bytes
internal import Foundation
internal import Refusal

/// Speaks to the agent of a running host.
struct AgentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "agent",
    abstract: "Steer the agent of a running host over its control socket.",
    discussion: """
      The socket belongs to the host; only its user and root may speak to it. The path can also be \
      given in the environment variable HITLESS_SOCKET.

      Examples:
        hitless agent --socket /run/upf/hitless.sock doctor
        hitless agent --socket /run/upf/hitless.sock install qer.hlp
        hitless agent --socket /run/upf/hitless.sock activate
        hitless agent --socket /run/upf/hitless.sock confirm
        hitless agent --socket /run/upf/hitless.sock activate --canary flows:5% --auto-confirm
      """,
    subcommands: [
      AgentListCommand.self, AgentInstallCommand.self, AgentActivateCommand.self,
      AgentConfirmCommand.self, AgentRollbackCommand.self, AgentWatchCommand.self,
      AgentDoctorCommand.self, AgentExerciseCommand.self, AgentFreezeCommand.self,
      AgentReleaseCommand.self, AgentMetricsCommand.self, AgentReplayCommand.self,
      AgentSymbolsCommand.self,
    ])

  @OptionGroup var connection: AgentConnection
}

/// Where the agent is; may stand before or after the verb.
struct AgentConnection: ParsableArguments {
  @Option(name: .shortAndLong, help: "Path of the control socket (default: $HITLESS_SOCKET).")
  var socket: String?
}

/// A verb of the agent.
protocol AgentVerb: ReportsJSON {
  var parent: AgentCommand { get }
  var connection: AgentConnection { get }
}

extension AgentVerb {
  /// Connects to the agent that the command line or the environment names.
  ///
  /// `timeout` is how long an answer may take, in nanoseconds.
  func connect(
    timeout: UInt64 = ControlClient.defaultTimeout
  ) throws(Refusal) -> ControlClient {
    let named =
      connection.socket ?? parent.connection.socket
      ?? ProcessInfo.processInfo.environment["HITLESS_SOCKET"]
    guard let path = named else {
      throw Refusal(
        .usage, "no control socket was named",
        hint: "say 'hitless agent --socket PATH …' or set HITLESS_SOCKET")
    }
    return try ControlClient(path: path, timeout: timeout)
  }

  /// Asks, and prints the answer as JSON or in the lines that `lines` makes of it; returns it.
  @discardableResult
  func show(
    _ request: ControlRequest, within timeout: UInt64 = ControlClient.defaultTimeout,
    _ lines: ([String: CBOR]) -> [String]
  ) throws(Refusal) -> [String: CBOR] {
    let answer = try connect(timeout: timeout).ask(request)
    if json {
      try Console.print(CBOR.named(answer).json)
    } else {
      for line in lines(answer) { try Console.print(line) }
    }
    return answer
  }
}

/// A verb that concerns one transaction.
struct TransactionChoice: ParsableArguments {
  @Option(name: .shortAndLong, help: "Number of the transaction (default: the newest one).")
  var transaction: UInt64?

  /// The arguments of a request.
  var arguments: [String: CBOR] {
    transaction.map { ["transaction": .unsigned($0)] } ?? [:]
  }
}
