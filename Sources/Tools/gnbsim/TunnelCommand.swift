internal import ArgumentParser
internal import GNB
internal import PacketIO
internal import Platform

/// `gnbsim tunnel`.
struct TunnelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tunnel",
    abstract: "Carry the packets of a TUN device through the tunnels of its UEs.")

  @OptionGroup var node: NodeOptions

  @Option(help: ArgumentHelp("Name of the TUN device, made if there is none.", valueName: "name"))
  var tun: String

  @Option(
    help: ArgumentHelp("Ask the UPF so often whether it is there; 0: never.", valueName: "seconds"))
  var echo: UInt32 = 10

  func run() throws {
    let signals = try Signals.queue()
    let device = try PacketPort.tun(tun)
    var tunnel = Tunnel(n3: try node.openPort(), device: device)
    Console.note("tunnel from '\(tun)' at \(node.local) to \(node.upf)")
    try tunnel.run(
      signals: signals, echoInterval: echo == 0 ? nil : UInt64(echo) * 1_000_000_000,
      ending: Signals.ending, answer: Console.print)
    Console.print(tunnel.json)
  }
}
