internal import ArgumentParser
internal import GNB
internal import PacketIO
internal import Platform
internal import Refusal

/// `gnbsim generate`.
struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Send counted packets to a reflector and account for every one.",
    discussion: """
      The UEs of --ue send a closed loop: at most --window packets are under way. The UEs of \
      --free-ue send one packet after every --free-every of those, without waiting for what comes \
      back: the way to count what a closed gate lets through. Exits with 1 when a packet of the \
      closed loop is missing, or something came back that should not have.
      """)

  @OptionGroup var node: NodeOptions

  @Option(
    name: .customLong("free-ue"),
    help: ArgumentHelp("A pool of UEs whose packets are not waited for.", valueName: "pool"))
  var freePools: [UEPool] = []

  @Option(help: ArgumentHelp("Where the reflector listens.", valueName: "address:port"))
  var sink: IPv4Endpoint

  @Option(help: ArgumentHelp("Packets of the closed loop; default: until ended.", valueName: "n"))
  var count: UInt64?

  @Option(help: ArgumentHelp("Most packets under way.", valueName: "n"))
  var window = 256

  @Option(help: ArgumentHelp("Most packets sent at once.", valueName: "n"))
  var batch = 32

  @Option(
    help: ArgumentHelp("Packets per second; default: what the window permits.", valueName: "n"))
  var rate: UInt64?

  @Option(help: ArgumentHelp("Bytes of an IP packet.", valueName: "bytes"))
  var size = 128

  @Option(help: ArgumentHelp("One free packet after so many others.", valueName: "n"))
  var freeEvery: UInt64 = 0

  @Option(
    help: ArgumentHelp("Give up what has not come back for so long.", valueName: "milliseconds"))
  var patience: UInt32 = 2000

  func validate() throws {
    guard (1...1 << 16).contains(window) else { throw ValidationError("--window is 1 to 65536") }
    guard (1...1024).contains(batch) else { throw ValidationError("--batch is 1 to 1024") }
    let smallest = ProbePacket.headerSize + ProbeRecord.size
    guard (smallest...9000).contains(size) else {
      throw ValidationError("--size is \(smallest) to 9000")
    }
    if let rate, !(1...1_000_000_000).contains(rate) {
      throw ValidationError("--rate is 1 to 1000000000")
    }
    if let count, count >= ProbeRecord.numberLimit - UInt64(batch) {
      throw ValidationError("--count is below \(ProbeRecord.numberLimit - UInt64(batch))")
    }
  }

  func run() throws {
    let signals = try Signals.queue()
    var plan = GeneratorPlan(sink: sink, windowedUEs: UEDirectory(node.pools).count)
    plan.packetSize = size
    plan.window = window
    plan.batch = batch
    plan.rate = rate
    plan.count = count
    plan.freeEvery = freeEvery
    plan.patience = UInt64(patience) * 1_000_000
    var generator = Generator(
      n3: try node.openPort(more: freePools), plan: plan, run: UInt32.random(in: 1...UInt32.max))
    Console.note("generating from \(node.local) through \(node.upf) to \(sink)")
    try generator.run(signals: signals, ending: Signals.ending, answer: Console.print)
    Console.print(generator.json)
    if !generator.isComplete { throw ExitCode(1) }
  }
}
