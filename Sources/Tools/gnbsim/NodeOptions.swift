internal import ArgumentParser
internal import GNB
internal import GTPU
internal import Glibc
internal import PacketIO
internal import Platform

extension IPv4Address: ExpressibleByArgument {
  /// Reads an address from the command line.
  public init?(argument: String) { self.init(argument) }
}

extension IPv4Endpoint: ExpressibleByArgument {
  /// Reads an address and a port from the command line.
  public init?(argument: String) { self.init(argument) }
}

extension UEPool: ExpressibleByArgument {
  /// Reads a pool from the command line.
  public init?(argument: String) { self.init(argument) }
}

/// What every radio node is told.
struct NodeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Address of this node on N3.", valueName: "address"))
  var local: IPv4Address

  @Option(help: ArgumentHelp("Address of the UPF on N3.", valueName: "address"))
  var upf: IPv4Address

  @Option(
    name: .customLong("ue"),
    help: ArgumentHelp(
      "A pool of UEs: ADDRESS,UPLINK-TEID,DOWNLINK-TEID,QFI[,COUNT].", valueName: "pool"))
  var pools: [UEPool]

  @Flag(help: "Send and receive every packet alone, without UDP_SEGMENT and UDP_GRO.")
  var noOffload = false

  @Flag(
    help: ArgumentHelp(
      "Receive every packet alone, without UDP_GRO: what the kernel then drops at the socket it counts"
        + " packet by packet."))
  var noCoalescing = false

  func validate() throws {
    if pools.isEmpty { throw ValidationError("at least one --ue is needed") }
  }

  /// Opens the node's N3 port, with more UEs behind those of the options if asked for.
  func openPort(more: [UEPool] = []) throws(SystemError) -> N3Port {
    var options = UDPSocket.Options()
    options.coalesces = !noOffload && !noCoalescing
    options.segments = !noOffload
    return try N3Port(
      local: IPv4Endpoint(address: local, port: GTPUHeader.port),
      upf: IPv4Endpoint(address: upf, port: GTPUHeader.port), directory: UEDirectory(pools + more),
      options: options)
  }
}

/// The signals a running command listens to.
enum Signals {
  /// These end it.
  static let ending = [SIGTERM, SIGINT]

  /// Blocks them all, the ending ones and the one that asks for counters.
  static func queue() throws(SystemError) -> SignalQueue {
    // A reader of stdout that went away is an error of write(2), not the end of this process.
    signal(SIGPIPE, SIG_IGN)
    return try SignalQueue(ending + [SIGUSR1])
  }
}
