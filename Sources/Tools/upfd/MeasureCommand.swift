internal import Agent
internal import ArgumentParser
internal import Bytes
internal import Platform
internal import Refusal
internal import UPF

/// `upfd measure`.
struct MeasureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "measure",
    abstract: "Say how fast the packet path is on this machine, without a network.",
    discussion: """
      One thread, uplink and downlink batches in turn, every packet copied in and out once. The \
      fastest of many short runs counts, because this machine does other things as well.
      """)

  @OptionGroup var agent: AgentArguments

  @Option(help: ArgumentHelp("Sessions, all of them touched.", valueName: "n"))
  var sessions: UInt32 = 1000

  @Option(help: ArgumentHelp("Bytes of an IP packet.", valueName: "bytes"))
  var size = 128

  @Option(help: ArgumentHelp("Packets in all.", valueName: "n"))
  var packets = 10_000_000

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let agent = try Agent(agent.options)
    let slots = try self.agent.defineSlots(agent)
    try agent.start()
    let path = try PathMeasurement(
      sessions: sessions, size: size, classifySlot: slots.classify, qerSlot: slots.qer,
      registry: AgentRegistry(agent))
    let rounds = 256
    let runs = max(10, packets / (rounds * PathMeasurement.batchSize))
    let times = (0..<runs).map { _ in path.run(rounds: rounds) }.sorted()
    let count = Double(rounds * PathMeasurement.batchSize)
    let best = Double(times[0]) / count
    let account = path.account()
    guard account.isBalanced, account.dropped.packets == 0 else {
      throw Refusal(.integrity, "\(account.dropped.packets) packets were dropped")
    }
    if json {
      Console.print(
        .object([
          ("sessions", .unsigned(UInt64(sessions))), ("size", .integer(Int64(size))),
          ("ns_per_packet", .number(best)),
          ("ns_per_packet_median", .number(Double(times[runs / 2]) / count)),
          ("mpps", .number(1000 / best)),
        ]))
    } else {
      Console.print(
        "\(sessions) sessions, \(size) bytes: \(rounded(best)) ns per packet,"
          + " \(rounded(1000 / best)) million packets per second")
    }
  }

  private func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
