internal import ArgumentParser
internal import Glibc
internal import Platform
internal import Refusal

/// The other end of the reference UPF: a radio node with its UEs, and the counted traffic of tests.
@main
struct Gnbsim: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gnbsim",
    abstract: "Play the radio node, its UEs and the data network for a UPF under test.",
    discussion: """
      A pool of UEs is ADDRESS,UPLINK-TEID,DOWNLINK-TEID,QFI[,COUNT]: COUNT UEs with consecutive \
      addresses and tunnel endpoints.

        gnbsim tunnel --local 10.3.0.1 --upf 10.3.0.2 --tun ue0 --ue 10.60.0.1,0x1,0x101,9
        gnbsim reflect --local 10.6.0.2:9000
        gnbsim generate --local 10.3.0.3 --upf 10.3.0.2 --sink 10.6.0.2:9000 \\
          --ue 10.61.0.1,0x1001,0x2001,9,64 --count 1000000

      Counters are one JSON object on one line of stdout: at the end, and whenever SIGUSR1 comes. \
      SIGTERM and SIGINT end it; 'generate' then still waits for what is under way.
      """,
    subcommands: [TunnelCommand.self, GenerateCommand.self, ReflectCommand.self])

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as SystemError {
      Console.report(error.refusal)
      Glibc.exit(error.refusal.kind.rawValue)
    } catch let refusal as Refusal {
      Console.report(refusal)
      Glibc.exit(refusal.kind.rawValue)
    } catch {
      guard exitCode(for: error) != .success else { exit(withError: error) }
      Console.report(Refusal(.usage, message(for: error), hint: "see 'gnbsim --help'"))
      Glibc.exit(RefusalClass.usage.rawValue)
    }
  }
}
