internal import ArgumentParser
internal import Bytes
internal import PacketIO
internal import UPF

/// `upfd check`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Check a session file and say what is in it.")

  @Option(help: ArgumentHelp("The session file.", valueName: "file"))
  var config: String

  @Option(help: ArgumentHelp("Address of N3, for tunnels without one.", valueName: "address"))
  var n3 = IPv4Address(rawValue: 0x7f00_0001)

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let sessions = try SessionFile.read(config)
    let summary = try UserPlane.check(sessions, n3Address: n3)
    if json {
      Console.print(summary.json)
    } else {
      Console.print(
        "\(config): \(summary.sessions) sessions, \(summary.pdrs) PDRs, \(summary.filters) SDF"
          + " filters, \(summary.fars) FARs, \(summary.qers) QERs, \(summary.urrs) URRs")
    }
  }
}
