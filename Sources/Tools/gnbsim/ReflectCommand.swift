internal import ArgumentParser
internal import GNB
internal import PacketIO
internal import Platform

/// `gnbsim reflect`.
struct ReflectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reflect",
    abstract: "Receive counted packets in the data network, check them and send them back.",
    discussion: """
      With --port it serves as the data network itself: UPFs without a TUN device connect to that \
      local socket, and whole IP packets come and go on it.
      """)

  @Option(help: ArgumentHelp("Where counted packets arrive.", valueName: "address:port"))
  var local: IPv4Endpoint

  @Option(help: ArgumentHelp("Path of a local socket, instead of the network.", valueName: "path"))
  var port: String?

  @Flag(
    help: ArgumentHelp(
      "Receive every packet alone, without UDP_GRO: what the kernel then drops at the socket it counts"
        + " packet by packet."))
  var noCoalescing = false

  func run() throws {
    let signals = try Signals.queue()
    if let port {
      var reflector = try LocalReflector(path: port, sink: local)
      Console.note("reflecting for \(local) at '\(port)'")
      try reflector.run(signals: signals, ending: Signals.ending, answer: Console.print)
      Console.print(reflector.json)
    } else {
      var options = UDPSocket.Options()
      options.coalesces = !noCoalescing
      var reflector = try Reflector(local: local, options: options)
      Console.note("reflecting at \(reflector.local)")
      try reflector.run(signals: signals, ending: Signals.ending, answer: Console.print)
      Console.print(reflector.json)
    }
  }
}
