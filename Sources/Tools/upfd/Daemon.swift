internal import Agent
internal import Bytes
internal import GTPU
internal import Glibc
internal import Guard
internal import HotSwap
internal import PacketIO
internal import Platform
internal import Probation
internal import Refusal
internal import UPF

/// The running user plane function: agent, workers, statistics.
///
/// Threading: the first thread's; the workers and the servers have their own.
final class Daemon {
  private let command: RunCommand
  private let agent: Agent
  private let plane: UserPlane

  /// Opens everything that can fail before a packet is taken.
  init(_ command: RunCommand) throws(Refusal) {
    self.command = command
    let sessions = try SessionFile.read(command.config)
    guard (1...UserPlaneOptions.largestWorkerCount).contains(command.workers) else {
      throw Refusal(
        .usage, "--workers \(command.workers)",
        expected: "1 to \(UserPlaneOptions.largestWorkerCount)")
    }
    agent = try Agent(command.agent.options)
    try Self.checkTrust(of: agent, command.agent.trust)
    let slots = try command.agent.defineSlots(agent)
    var options = UserPlaneOptions(
      seats: try Self.seats(command), n3Address: command.n3, classifySlot: slots.classify,
      qerSlot: slots.qer)
    options.limits = RuleLimits()
    options.packetsAreReadOnly = command.readOnlyPackets
    options.signals = try Self.defineSignals(agent)
    options.bucketTable = try Self.defineBuckets(agent, options.limits)
    plane = try UserPlane(options, sessions: sessions)
    try unsafe agent.defineShadow(ShadowHost(plane.shadowOptions))
  }

  /// A key that was named and cannot be used is a mistake to be told now, not with the first patch.
  private static func checkTrust(of agent: Agent, _ keys: [String]) throws(Refusal) {
    guard !keys.isEmpty else {
      return Console.note("no --trust key was named: every patch will be refused")
    }
    do throws(Refusal) {
      try agent.checkTrust()
    } catch {
      var refusal = error
      refusal.hint =
        "name the public key of whoever signs the patches: 'hitless keygen' makes a pair"
      throw refusal
    }
  }

  /// Lets the agent keep token buckets, so that a patch may give them another layout.
  private static func defineBuckets(
    _ agent: Agent, _ limits: RuleLimits
  ) throws(Refusal) -> BucketTable {
    let schemas = BucketTable.schemas.map { StateDefinition.Schema(id: $0.id, size: $0.size) }
    let number = try agent.defineStates(
      StateDefinition(name: "buckets", schemas: schemas, count: 2 * UInt64(limits.qers)))
    return BucketTable(number: number) { bucket in
      // Whatever is in the way is in the log; a bucket that is not full is no reason to stop.
      try? agent.clearState(table: number, record: bucket)
    }
  }

  /// Tells the agent what workers count, so that it can judge candidates by it.
  private static func defineSignals(_ agent: Agent) throws(Refusal) -> HealthSignals {
    var signals = HealthSignals()
    for definition in HealthSignals.definitions {
      let number = try agent.defineSignal(
        definition.name, definition.isError ? .errors : .drops)
      signals.tell(definition.fate, as: number)
    }
    return signals
  }

  private static func seats(_ command: RunCommand) throws(Refusal) -> [WorkerSeat] {
    var seats: [WorkerSeat] = []
    for processor in try command.processors() {
      let device = try DevicePort(command.n6.open(workers: command.workers))
      seats.append(
        WorkerSeat(
          doorbell: try Doorbell(), n3: .udp(try udpPort(command)), n6: .device(device),
          processor: processor))
    }
    return seats
  }

  private static func udpPort(_ command: RunCommand) throws(Refusal) -> UDPPort {
    guard command.n3 != .any else {
      throw Refusal(
        .usage, "--n3 0.0.0.0 is no address that a tunnel can end at",
        hint: "give the one address that access nodes send to")
    }
    var options = UDPSocket.Options()
    options.reusePort = command.workers > 1
    options.coalesces = !command.noOffload && !command.noCoalescing
    options.segments = !command.noOffload
    let endpoint = IPv4Endpoint(address: command.n3, port: GTPUHeader.port)
    let socket: UDPSocket
    do throws(SystemError) {
      socket = try UDPSocket(binding: endpoint, options: options)
    } catch {
      throw refusal(error, endpoint)
    }
    return try UDPPort(socket)
  }

  private static func refusal(_ error: SystemError, _ endpoint: IPv4Endpoint) -> Refusal {
    switch error.code {
    case EADDRINUSE:
      Refusal(
        .io, "port \(endpoint.port) of \(endpoint.address) is in use",
        hint: "another user plane function may be running there")
    case EADDRNOTAVAIL:
      Refusal(
        .io, "\(endpoint.address) is no address of this machine",
        hint: "add it to the interface of N3 first")
    default: error.refusal
    }
  }

  /// Forwards until a signal ends it, then settles the account.
  func run(_ signals: borrowing SignalQueue) throws(Refusal) {
    try agent.start()
    // An end for whatever reason must not look like a crash to the next start.
    defer { try? agent.close() }
    let registry = AgentRegistry(agent)
    try plane.start(registry)
    let reload = Reload(plane, command.config)
    let server = try command.stats.map { (path) throws(Refusal) in
      try StatisticsServer(path: path, plane: plane, reload: reload)
    }
    announce()
    let failure = waitForEnd(signals, reload)
    server?.stop()
    try plane.stop()
    let account = plane.account()
    report(account)
    try agent.close()
    if let failure { throw failure }
    guard account.isBalanced, account.inFlight == 0 else {
      throw Refusal(
        .integrity,
        "\(account.missing) packets have no fate and \(account.inFlight) are still"
          + " between workers")
    }
  }

  private func announce() {
    let tables = plane.tables
    if command.json {
      Console.print(
        .object([
          ("event", .string("ready")), ("n3", .string("\(command.n3)")),
          ("n6", .string(command.n6.text)), ("workers", .integer(Int64(command.workers))),
          ("sessions", .integer(Int64(tables.sessions))),
        ]))
    } else {
      Console.print(
        "ready: \(tables.sessions) sessions, N3 \(command.n3):\(GTPUHeader.port), N6"
          + " \(command.n6.text), \(command.workers) workers")
    }
  }

  private func report(_ account: Account) {
    if command.json {
      Console.print(
        .object([
          ("event", .string("stopped")), ("accounting", plane.accountingReport()),
          ("statistics", plane.report()),
        ]))
    } else {
      Console.print(
        "stopped: received \(account.received.packets), forwarded \(account.forwarded.packets),"
          + " consumed \(account.consumed.packets), dropped \(account.dropped.packets), missing"
          + " \(account.missing)")
    }
  }

  /// Serves signals; returns why a worker ended by itself, if one did.
  private func waitForEnd(_ signals: borrowing SignalQueue, _ reload: Reload) -> Refusal? {
    while true {
      if let failure = plane.failure { return failure }
      do throws(SystemError) {
        guard try signals.descriptor.waitReadable(.after(1_000_000_000)) else { continue }
      } catch {
        return error.refusal
      }
      while let signal = signals.next() {
        switch signal {
        case SIGHUP: reload.runAndReport()
        case SIGUSR1: Console.print(plane.report())
        default: return nil
        }
      }
    }
  }
}

/// Reads the session file again and puts it in force.
///
/// Threading: any thread.
struct Reload: Sendable {
  private let plane: UserPlane
  private let path: String

  init(_ plane: UserPlane, _ path: String) {
    self.plane = plane
    self.path = path
  }

  /// On failure what was in force stays.
  func run() throws(Refusal) -> TableSummary {
    try plane.replaceSessions(SessionFile.read(path))
  }

  /// The same for a signal, which has nobody to answer to.
  func runAndReport() {
    do throws(Refusal) {
      let summary = try run()
      Console.note("reloaded '\(path)': \(summary.sessions) sessions")
    } catch {
      Console.report(error)
      Console.note("the sessions from before stay in force")
    }
  }
}
