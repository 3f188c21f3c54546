import Agent
import CHitless
import CUPF
import DeltaEncoder
import Generator
import Glibc
import Guard
import Platform
import Refusal
import Signing
import Staging
import Synchronization
import TestSupport
import Testing

/// An agent with one slot, a qer from Fixtures in it, and workers that tests drive by hand.
final class GuardedAgent: WorkerHome {
  let agent: Agent
  private let directory: TemporaryDirectory
  private let key: SigningKey
  private let base: [UInt8]
  private let state: String
  private let sequence = Guarded<UInt64>(1)
  private static let count = Atomic<Int>(0)

  init(_ change: (inout AgentOptions) -> Void = { _ in }) throws {
    directory = try TemporaryDirectory()
    key = try SigningKey.generate()
    base = try FaultyModule.image(1)
    // In memory where there is room: a disk would be waited for dozens of times in every test.
    let room = unsafe access("/dev/shm", W_OK) == 0 ? "/dev/shm" : directory.path
    let number = Self.count.add(1, ordering: .relaxed).newValue
    state = "\(room)/hitless-races-\(getpid())-\(number)"
    var options = AgentOptions(stateDirectory: state)
    options.trustKeys = [try directory.write("vendor.pub", try key.publicKey.pem)]
    options.product = "upf"
    options.probe = try BuiltProduct.path("hitless-probe")
    options.graceTimeout = 60_000_000_000
    options.guarding.batchBudget = Sanitizer.isAny ? 5_000_000_000 : 500_000_000
    options.breaker.isMetricsOnly = true
    change(&options)
    agent = try Agent(options)
    let requirement = SlotRequirement(
      name: "qer", interfaceID: UPF_INTERFACE_QER, interfaceVersion: UPF_INTERFACE_VERSION,
      tableSize: 16)
    _ = try agent.defineSlot(
      SlotOptions(requirement, module: try directory.write("qer.so", base)))
    try agent.start()
  }

  func registerWorker(name: String) throws -> UnsafeMutablePointer<hitless_worker> {
    try unsafe agent.registerWorker(name: name)
  }

  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) throws {
    unsafe try agent.unregisterWorker(worker)
  }

  /// Installs a patch from what the host has started with to one that fails, and returns its transaction.
  func install(_ failure: Failure) throws -> UInt64 {
    let target = try FaultyModule.image(2, failure)
    let number = sequence.withLock { sequence -> UInt64 in
      defer { sequence += 1 }
      return sequence
    }
    let pair = PatchRequest.Pair(base: base, target: target, names: ("base", "target"))
    var request = PatchRequest(pairs: [pair], keys: [key])
    request.product = "upf"
    request.release = "r\(number)"
    request.sequence = number
    request.effort = .quick
    return try agent.install(patch: try PatchBuilder.build(request).bytes)
  }

  /// How many lines of an event the audit log has.
  func audited(_ event: String) -> Int {
    let log = String(decoding: contents(of: "\(state)/audit.jsonl") ?? [], as: UTF8.self)
    return log.split(separator: "\n").count { $0.contains("\"event\":\"\(event)\"") }
  }

  deinit {
    try? agent.close()
    removeTree(state)
  }
}

/// A thread that runs one batch after the other until it is stopped, and fails in one of the candidate's when it is told
/// to.
final class BusyWorker: Sendable {
  private struct State {
    var isStopping = false
    var isReady = false
    /// Whether the next batch of the candidate has a packet at which it fails.
    var isArmed = false
    var mark: Int32 = 0
    var batches: UInt64 = 0
    var faults: UInt64 = 0
    var problems: [String] = []
  }

  private let state = Guarded(State())
  private let thread: Guarded<PlainThread?> = Guarded(nil)

  init(_ home: some WorkerHome, _ name: String) throws {
    let started = try PlainThread(name) { [self] in
      do {
        let worker = try HandWorker(home, name: name)
        while runBatch(worker) {}
        try worker.end()
      } catch {
        state.withLock { ($0.problems, $0.isReady) = ($0.problems + ["\(error)"], true) }
      }
    }
    thread.withLock { $0 = started }
    try #require(eventually { state.withLock { $0.isReady } })
  }

  /// Runs a batch and enters it into the books; false when it was the last one.
  private func runBatch(_ worker: borrowing HandWorker) -> Bool {
    let isArmed = state.withLock { $0.isArmed }
    let runs = worker.runs
    let mark = worker.run(trigger: isArmed)
    let (again, applied, torn) = (worker.runs - runs - 1, worker.applied, worker.torn)
    return state.withLock { state in
      state.batches += 1
      state.isReady = true
      state.mark = mark
      if again > 0 {
        state.faults += again
        state.isArmed = false
        if again > 1 || mark != 1 { state.problems.append("\(again) faults, then \(mark)") }
      }
      if applied != state.batches * UInt64(HandWorker.packetCount) || torn != 0 {
        state.problems.append("\(state.batches) batches, \(applied) packets, \(torn) torn")
      }
      return !state.isStopping
    }
  }

  /// Has the candidate fail once, as soon as it has a batch.
  func arm() { state.withLock { $0.isArmed = true } }

  /// Takes that back; returns when no batch is under way that does not know.
  func disarm() {
    let batches = state.withLock { state -> UInt64 in
      state.isArmed = false
      return state.batches
    }
    _ = eventually { state.withLock { $0.batches } > batches + 1 }
  }

  var isArmed: Bool { state.withLock { $0.isArmed } }
  /// Which version has done the last batch.
  var mark: Int32 { state.withLock { $0.mark } }
  var faults: UInt64 { state.withLock { $0.faults } }
  /// What was lost, counted twice or done by whom it should not.
  var problems: [String] { state.withLock { $0.problems } }

  func stop() {
    state.withLock { $0.isStopping = true }
    let thread = thread.withLock { $0.take() }
    thread?.join()
  }
}
