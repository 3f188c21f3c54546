internal import ArgumentParser
internal import Glibc
internal import PacketIO
internal import Platform
internal import Refusal

/// The reference user plane function.
@main
struct Upfd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "upfd",
    abstract: "Forward packets between access nodes (N3) and a data network (N6).",
    discussion: """
      Sessions come from a YAML file (docs/upf.md); the modules 'classify' and 'qer' can be replaced \
      while packets flow, with 'hitless agent'.

        upfd --config sessions.yaml --n3 10.3.0.2 --n6 tun:upf0 --state /var/lib/upfd \\
          --modules modules --control /run/upfd/agent.sock --trust release.pub \\
          --stats /run/upfd/stats.sock
        upfd query --stats /run/upfd/stats.sock accounting

      SIGHUP reads the session file again, SIGUSR1 prints the statistics, SIGTERM and SIGINT end it.
      """,
    subcommands: [
      RunCommand.self, CheckCommand.self, QueryCommand.self, MeasureCommand.self,
    ],
    defaultSubcommand: RunCommand.self)

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as SystemError {
      end(error.refusal)
    } catch let refusal as Refusal {
      end(refusal)
    } catch let code as ExitCode {
      Glibc.exit(code.rawValue)
    } catch {
      guard exitCode(for: error) != .success else { exit(withError: error) }
      end(Refusal(.usage, message(for: error), hint: "see 'upfd --help'"))
    }
  }

  private static func end(_ refusal: Refusal) {
    Console.report(refusal)
    Glibc.exit(refusal.kind.rawValue)
  }
}

extension IPv4Address: ExpressibleByArgument {
  /// Reads an address from the command line.
  public init?(argument: String) { self.init(argument) }
}
