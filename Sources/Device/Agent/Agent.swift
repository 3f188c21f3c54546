package import CHitless
internal import Bytes
internal import Digests
internal import ElfImage
internal import Guard
internal import HotSwap
internal import Journal
internal import Platform
package import Refusal
internal import Staging

/// The in-process agent: receives patches, stages them, and swaps generations under the workers.
///
/// Order of use: open, `defineSlot` for each slot, `start`, then workers register. One transaction at a
/// time; one operation at a time, a second one is `busy` and does not wait, but for a rollback: it asks a confirmation
/// that moves records to end, and waits for that, ten seconds at most.
///
/// Threading: any thread but a worker's packet path. Every call may block on the disk, on a helper
/// process or on a grace period; none makes a worker wait.
package final class Agent: Sendable {
  /// How many generations stay mapped after they went out of use, the newest ones.
  package static let keptGenerations = 4
  /// How many may stay mapped for workers that do not move on, before no more patches are taken.
  package static let overdueGenerationLimit = 16

  let options: AgentOptions
  /// When it was opened, in nanoseconds since 1970.
  let openTime: UInt64
  let journal: Journal
  /// The keys; without them every patch is refused.
  let trust: KeyRing
  let probe: ModuleProbe?
  let stager: Stager
  let events = EventLog()
  let state: Monitor<State>
  /// Held while what keeps patches out is written; taken before the state.
  let protectionWriter = Guarded(0)
  let goldenThread = GoldenThread()
  /// Held while records go back, and until the view is in force in which all have; taken before the state.
  let migrationWriter = Guarded(0)

  /// What changes; guarded by the monitor and never held during anything that blocks.
  struct State {
    var slots: [SlotOptions] = []
    /// What workers count, in the order of definition; the first one's number is 1.
    var signals: [HealthSignal] = []
    /// How the host's batches are copied and run on the side; nil where it has no part in that.
    var shadowHost: ShadowHost?
    var shadowBench: ShadowBench?
    /// The host's records, in the order of definition.
    var stateTables: [StateDefinition] = []
    /// Records on their way between two schemas.
    var migration: ActiveMigration?
    /// Threads that move the host's records; also outside any operation.
    var sweeps = 0
    var running: Running?
    var transaction: Transaction?
    var transactionCount: UInt64 = 0
    /// What is being done at this moment; one thing at a time.
    var operation: String?
    var counters = Counters()
    var lastSwap: SwapReport?
    var lastFault: FaultReport?
    /// How many want to go back, and wait until a confirmation has ended that waits for records.
    var interrupters = 0
    /// How many have something to take out of force, and wait for the operation to end.
    var withdrawals = 0
    /// Whether the thread lives that answers for faults.
    var isAnswering = false
    var throttle = RefusalThrottle()
    var protection: Protection
    var metrics = AgentMetrics()
    var lastRun: LastRun?
    var timer = Timer.idle
    var isClosed = false

    init(_ protection: Protection) { self.protection = protection }
  }

  /// What there is once the first generation is in force.
  struct Running {
    let domain: SwapDomain
    var stable: Generation
    /// The modules of `stable`, one per slot.
    var modules: [StagedModule]
    /// What was stable before, where workers go back to if `stable` faults.
    var fallback: Fallback?
    /// What was stable until it faulted: other workers may report the same of it.
    var left: Fallback?
    /// Generations that went out of use and are still mapped, oldest first.
    var retired: [Generation] = []
    var server: ControlServerBox?
  }

  /// Whether the dead-man timer's thread lives.
  enum Timer: Sendable {
    case idle
    case running
  }

  /// What was done since the agent was opened.
  package struct Counters: Equatable, Sendable {
    package var activations: UInt64 = 0
    package var confirmations: UInt64 = 0
    package var rollbacks: UInt64 = 0
    package var refusals: UInt64 = 0
    /// Faults of candidates from which workers came back to stable.
    package var faults: UInt64 = 0
  }

  /// What a transaction has to be confirmed when nothing else is said, in nanoseconds; 0: for ever.
  package var confirmTimeout: UInt64 { options.confirmTimeout }

  /// Opens the agent: takes the state directory and reads the keys; workers notice nothing.
  package init(_ options: AgentOptions) throws(Refusal) {
    self.options = options
    openTime = WallClock.now
    state = Monitor(State(Protection(options.breaker, options.loads, options.breakers)))
    try options.breaker.check()
    for (module, rules) in options.breakers {
      try Self.checkModule(module)
      try rules.check()
    }
    try options.loads.check()
    try Self.check(options.threads)
    journal = try Journal(at: options.stateDirectory, now: openTime)
    trust = KeyRing(options.trustKeys, threshold: options.trustThreshold)
    probe = ModuleProbe.locate(
      options.probe, library: options.library, timeout: options.probeTimeout)
    let log = options.log
    stager = Stager(
      policy: LoadabilityPolicy.standard.allowing(imports: options.allowedImports), probe: probe,
      services: HostServices { level, message in log(level, message) })
    // Numbers are not used again after a restart, so that no old request can mean a new transaction.
    let lines = journal.nextLine - 1
    state.withLock { $0.transactionCount = lines }
    note("opened", 0, "state directory '\(options.stateDirectory)'")
    readProtection()
  }

  /// Throws unless this process may place threads so.
  private static func check(_ threads: ThreadPlacement) throws(Refusal) {
    do throws(SystemError) {
      try threads.check()
    } catch {
      throw Refusal(
        .usage, "the agent's threads cannot be placed as asked: \(error)",
        hint:
          "name processors that this process may use; to be nicer than before takes no privilege,"
          + " to be less nice does")
    }
  }

  /// Throws unless the trusted keys could be read, and are enough: else every patch will be refused.
  ///
  /// For hosts that would rather not start than run without a way to be mended.
  package func checkTrust() throws(Refusal) { _ = try trust.get() }

  /// Names one slot; its index is what `hitless_table` takes.
  package func defineSlot(_ slot: SlotOptions) throws(Refusal) -> UInt32 {
    try state.withLock { (state) throws(Refusal) in
      guard state.running == nil else {
        throw Refusal(.state, "slots are defined before the agent starts")
      }
      let name = slot.requirement.name
      guard PlainName.isValid(name.utf8) else {
        throw Refusal(.path, "a slot may not be called '\(name)'", expected: PlainName.rule)
      }
      guard !state.slots.contains(where: { $0.requirement.name == name }) else {
        throw Refusal(.state, "slot '\(name)' is defined already")
      }
      state.slots.append(slot)
      return UInt32(state.slots.count - 1)
    }
  }

  /// Registers the calling thread as a worker; every grace period waits for it unless it is idle.
  package func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker>
  {
    unsafe try domain().registerWorker(name: name)
  }

  /// Ends a worker; it may touch no view afterwards.
  package func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) throws(Refusal) {
    unsafe try domain().unregisterWorker(worker)
  }

  /// How long `close` waits for the timer's thread and for what is under way, in nanoseconds.
  package static let closePatience: UInt64 = 5_000_000_000

  /// Stops the control socket and the timer, and gives the state directory up.
  ///
  /// Workers must have unregistered; what is mapped stays mapped. What is under way has `patience` nanoseconds to end:
  /// no record of the host is touched afterwards, unless the log says that something has not ended in time. Closing
  /// once more changes nothing.
  package func close(patience: UInt64 = closePatience) throws(Refusal) {
    guard !state.withLock({ $0.isClosed }) else { return }
    let domain = state.withLock { $0.running?.domain }
    domain?.endWorkersWithoutThread()
    let workers = domain?.workerCount ?? 0
    guard workers == 0 else {
      throw Refusal(.state, "\(workers) workers are still registered")
    }
    let server = state.withLock { state in
      state.isClosed = true
      state.migration?.migration.halt()
      let server = state.running?.server
      state.running?.server = nil
      return server
    }
    server?.stop()
    goldenThread.stop()
    if let run = state.withLock({ $0.transaction?.shadow?.run }) {
      run.stop()
      run.waitUntilEnded()
    }
    state.withLock({ $0.running?.domain.room })?.stop()
    let hasGoldenEnded = goldenThread.waitUntilEnded(patience: patience)
    let isIdle = state.wait(until: .after(patience)) { state -> Bool? in
      state.timer == .idle && state.operation == nil && state.sweeps == 0 ? true : nil
    }
    noteSuppressedRefusals()
    note(
      "closed", 0,
      isIdle == nil || !hasGoldenEnded
        ? "control socket stopped; what was under way has not ended in time"
        : "control socket and timer stopped")
    journal.close()
  }

  func domain() throws(Refusal) -> SwapDomain {
    guard let domain = state.withLock({ $0.running?.domain }) else {
      throw Refusal(.state, "the agent has not started")
    }
    return domain
  }
}
