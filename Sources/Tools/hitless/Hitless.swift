internal import ArgumentParser
internal import Bytes
internal import Glibc
internal import Refusal

/// The command line of release engineers, operators and auditors.
@main
struct Hitless: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hitless",
    abstract: "Change the code of a running data plane without losing a packet.",
    discussion: """
      From two builds of a module to a swap under load:

        hitless keygen --out vendor
        hitless diff qer-1.0.0.so qer-1.0.1.so -o qer.hlp --key vendor.key
        hitless verify qer.hlp --trust vendor.pub --base qer-1.0.0.so
        hitless agent --socket /run/upf/hitless.sock install qer.hlp

      Errors go to stderr, as 'hitless: error: …' and 'hitless: hint: …'. The exit code says why: \
      'hitless explain' lists them.
      """,
    subcommands: [
      KeygenCommand.self, DiffCommand.self, VerifyCommand.self, InspectCommand.self,
      ApplyCommand.self, LintCommand.self, ExplainCommand.self, DeltaCommand.self,
      AgentCommand.self, AuditCommand.self,
    ])

  static func main() async {
    // A peer that went away is an error of write(2), not the end of this process; see Console for stdout.
    signal(SIGPIPE, SIG_IGN)
    var json = false
    do {
      var command = try parseAsRoot()
      json = (command as? any ReportsJSON)?.json ?? false
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch let refusal as Refusal {
      Console.report(refusal, json: json)
      Glibc.exit(refusal.kind.rawValue)
    } catch {
      Glibc.exit(Console.report(parsing: error))
    }
  }
}

/// A command that can print its result as one JSON object.
///
/// When such a command throws a `Refusal` and `json` is set, the refusal is printed as JSON on
/// stdout, beside the lines for people on stderr.
protocol ReportsJSON: ParsableCommand {
  /// Whether `--json` was given.
  var json: Bool { get }
}
