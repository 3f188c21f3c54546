internal import Agent
internal import ArgumentParser
internal import CUPF
internal import Glibc
internal import Guard
internal import PacketIO
internal import Platform
internal import Refusal
internal import Staging
internal import UPF

/// `upfd run`, which is also what `upfd` alone does.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Forward packets until ended.")

  @Option(help: ArgumentHelp("The session file (YAML).", valueName: "file"))
  var config: String

  @Option(help: ArgumentHelp("Address of N3; GTP-U uses port 2152.", valueName: "address"))
  var n3: IPv4Address

  @Option(
    help: ArgumentHelp(
      "The data network: tun:NAME, or local:PATH for a local socket.", valueName: "port"))
  var n6: N6Endpoint

  @Option(help: ArgumentHelp("Threads that forward.", valueName: "n"))
  var workers = 1

  @Option(
    help: ArgumentHelp("Processors to keep the workers on, such as 0,1.", valueName: "list"))
  var pin: String?

  @Flag(help: "Send and receive every datagram alone, without UDP_SEGMENT and UDP_GRO.")
  var noOffload = false

  @Flag(
    help: ArgumentHelp(
      "Receive every datagram alone, without UDP_GRO: what the kernel then drops at the socket it"
        + " counts packet by packet."))
  var noCoalescing = false

  @Flag(
    help: ArgumentHelp(
      "Hand modules copies of the packets that cannot be written to: a module that does is found"
        + " out. For trials of new modules, not for full rate."))
  var readOnlyPackets = false

  @OptionGroup var agent: AgentArguments

  @Option(
    help: ArgumentHelp("Path of the socket that answers 'upfd query'.", valueName: "path"))
  var stats: String?

  @Flag(help: "Print what happens as JSON objects, one per line.")
  var json = false

  func run() throws {
    // A reader of stdout or of the statistics that went away must not end this process.
    signal(SIGPIPE, SIG_IGN)
    let signals = try SignalQueue([SIGTERM, SIGINT, SIGHUP, SIGUSR1])
    let daemon = try Daemon(self)
    try daemon.run(signals)
  }

  /// The processor of each worker.
  func processors() throws(Refusal) -> [UInt32?] {
    guard let pin else { return Array(repeating: nil, count: workers) }
    let list = processorList(pin)
    guard list.count == workers, !list.contains(nil) else {
      throw Refusal(
        .usage, "--pin \(pin) does not name one processor for each worker",
        expected:
          "\(workers) numbers, such as \((0..<workers).map(String.init).joined(separator: ","))"
      )
    }
    return list
  }
}

/// Processors as people list them; nil stands for what is no number.
private func processorList(_ text: String) -> [UInt32?] {
  text.split(separator: ",", omittingEmptySubsequences: false).map { UInt32($0) }
}

/// What the agent is told.
struct AgentArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp("Where the agent keeps what was confirmed.", valueName: "directory"))
  var state: String

  @Option(help: ArgumentHelp("Path of the agent's control socket.", valueName: "path"))
  var control: String?

  @Option(
    name: .customLong("trust"),
    help: ArgumentHelp("A release key (PEM); may be given more than once.", valueName: "file"))
  var trust: [String] = []

  @Option(help: ArgumentHelp("How many of the keys must have signed.", valueName: "n"))
  var trustThreshold = 1

  @Option(help: ArgumentHelp("Product that patches must name.", valueName: "name"))
  var product: String?

  @Option(
    help: ArgumentHelp(
      "Directory of the first modules, classify.so and qer.so.", valueName: "directory"))
  var modules: String?

  @Option(help: ArgumentHelp("First module of slot 'classify'.", valueName: "file"))
  var classify: String?

  @Option(help: ArgumentHelp("First module of slot 'qer'.", valueName: "file"))
  var qer: String?

  @Option(
    help: ArgumentHelp(
      "Roll a patch back when nobody confirms it for so long; 0: never, but of a rollout.",
      valueName: "seconds"))
  var confirmTimeout: UInt32 = 600

  @Option(
    help: ArgumentHelp("How long a worker may take to pass a swap.", valueName: "milliseconds"))
  var graceTimeout: UInt32 = 1000

  @Option(
    help: ArgumentHelp(
      "A restart within so long of a start or a confirmation follows an early end.",
      valueName: "seconds"))
  var earlyEndWindow: UInt32 = 120

  @Option(
    help: ArgumentHelp(
      "Start the set before the confirmed one after so many early ends in a row.", valueName: "n"))
  var earlyEndLimit: UInt32 = 2

  @Option(
    name: .customLong("guard"),
    help: ArgumentHelp(
      "When the workers' batches are guarded: trial, always (after confirm too) or off.",
      valueName: "when"))
  var guarding = GuardChoice.trial

  @Option(
    help: ArgumentHelp(
      "Processor time that a guarded batch may take.", valueName: "microseconds"))
  var batchBudget: UInt32 = 10_000

  @Option(
    help: ArgumentHelp(
      "How long a patch that has failed waits the first time before it may be activated again.",
      valueName: "seconds"))
  var breakerWait: UInt32 = 30

  @Option(
    help: ArgumentHelp(
      "Only count the failures of this module, classify or qer; no breaker of it opens.",
      valueName: "module"))
  var breakerMetricsOnly: [String] = []

  @Option(
    help: ArgumentHelp(
      "Compare modules in memory with what they were, once in so long; 0: never.",
      valueName: "seconds"))
  var goldenInterval: UInt32 = 60

  @Option(help: ArgumentHelp("The selftest helper, hitless-probe.", valueName: "file"))
  var probe: String?

  @Option(
    help: ArgumentHelp("Processors to keep the agent's threads on.", valueName: "list"))
  var agentPin: String?

  @Option(help: ArgumentHelp("Nice value of the agent's threads.", valueName: "n"))
  var agentNice: Int32?

  func validate() throws {
    guard modules != nil || (classify != nil && qer != nil) else {
      throw ValidationError("--modules, or both --classify and --qer, must say what to start with")
    }
    guard batchBudget > 0 else {
      throw ValidationError("--batch-budget is at least one microsecond")
    }
    let names = ModuleSlot.allCases.map(\.name)
    guard breakerMetricsOnly.allSatisfy(names.contains) else {
      throw ValidationError(
        "--breaker-metrics-only names a module: \(names.joined(separator: " or "))")
    }
    guard agentPin.map({ !processorList($0).contains(nil) }) ?? true else {
      throw ValidationError("--agent-pin is a list of processors, such as 0,1")
    }
  }

  /// The options of the agent itself.
  var options: AgentOptions {
    var options = AgentOptions(stateDirectory: state)
    options.controlSocket = control
    options.trustKeys = trust
    options.trustThreshold = trustThreshold
    options.product = product
    options.probe = probe
    options.instance = "upfd"
    options.threads = ThreadPlacement(
      processors: (agentPin.map(processorList) ?? []).map { Int32(clamping: $0 ?? .max) },
      nice: agentNice)
    options.graceTimeout = UInt64(graceTimeout) * 1_000_000
    options.confirmTimeout = UInt64(confirmTimeout) * 1_000_000_000
    options.earlyEndWindow = UInt64(earlyEndWindow) * 1_000_000_000
    options.earlyEndLimit = UInt64(earlyEndLimit)
    options.breaker.wait = UInt64(breakerWait) * 1_000_000_000
    for module in breakerMetricsOnly {
      options.breakers[module] = options.breaker
      options.breakers[module]?.isMetricsOnly = true
    }
    options.golden.interval = UInt64(goldenInterval) * 1_000_000_000
    options.guarding.mode = guarding.mode
    options.guarding.batchBudget = UInt64(batchBudget) * 1000
    options.log = { _, message in Console.log(message) }
    return options
  }

  /// Defines the two slots and returns their numbers.
  func defineSlots(_ agent: Agent) throws(Refusal) -> (classify: UInt32, qer: UInt32) {
    let classify = SlotRequirement(
      name: ModuleSlot.classify.name, interfaceID: UPF_INTERFACE_CLASSIFY,
      interfaceVersion: UPF_INTERFACE_VERSION,
      tableSize: UInt32(MemoryLayout<upf_classify_table>.size))
    let qer = SlotRequirement(
      name: ModuleSlot.qer.name, interfaceID: UPF_INTERFACE_QER,
      interfaceVersion: UPF_INTERFACE_VERSION,
      tableSize: UInt32(MemoryLayout<upf_qer_table>.size))
    return (
      try agent.defineSlot(SlotOptions(classify, module: file(self.classify, .classify))),
      try agent.defineSlot(SlotOptions(qer, module: file(self.qer, .qer)))
    )
  }

  private func file(_ given: String?, _ slot: ModuleSlot) -> String {
    given ?? "\(modules ?? ".")/\(slot.name).so"
  }
}

/// When batches are guarded, as the command line spells it.
enum GuardChoice: String, ExpressibleByArgument, CaseIterable {
  case trial, always, off

  var mode: GuardMode {
    switch self {
    case .trial: .duringTrial
    case .always: .always
    case .off: .off
    }
  }
}
