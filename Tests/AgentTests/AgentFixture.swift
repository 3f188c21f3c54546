import Agent
import CHitless
import Generator
import Guard
import Journal
import Platform
import Refusal
import Signing
import Staging
import Synchronization
import TestSupport
import Testing

/// Two modules in several builds, compiled once for all tests.
enum Modules {
  static let interfaces: [String: UInt32] = ["alpha": 0x61, "beta": 0x62]

  /// `name` in version 1.0.`patch`; its `answer` returns 3x + patch + 1.
  static func image(_ name: String, _ patch: UInt32) throws -> [UInt8] {
    try image(name, patch) { _ in }
  }

  static func image(
    _ name: String, _ patch: UInt32, _ change: (inout TestModule) -> Void
  ) throws -> [UInt8] {
    var module = TestModule()
    module.name = name
    module.version = (1, 0, patch)
    module.interface = (interfaces[name] ?? 0x63, 1)
    module.markedConstant = Int(patch) + 1
    change(&module)
    let directory = try TemporaryDirectory()
    try module.build("module.so", in: directory)
    return try directory.bytes("module.so")
  }

  private static let built = Guarded<[String: [UInt8]]>([:])

  /// The same, compiled only when no test has asked for it before.
  static func cached(_ name: String, _ patch: UInt32) throws -> [UInt8] {
    let key = "\(name) \(patch)"
    if let image = built.withLock({ $0[key] }) { return image }
    let image = try image(name, patch)
    built.withLock { $0[key] = image }
    return image
  }
}

/// What `body` is refused as; nil if it is not.
func refusalKind(_ body: () throws -> Void) -> RefusalClass? {
  do {
    try body()
    return nil
  } catch {
    return (error as? Refusal)?.kind
  }
}

/// A state directory, a vendor's key, and hosts that come and go.
final class Site {
  let directory: TemporaryDirectory
  let key: SigningKey
  var options: AgentOptions
  /// Slots have names of their own in every test, because `/proc/self/maps` is the whole process's.
  let slots: [String: String]
  /// The modules that the host starts with: the slots, in order.
  var modules = ["alpha", "beta"]

  private static let count = Atomic<Int>(0)

  init() throws {
    directory = try TemporaryDirectory()
    key = try SigningKey.generate()
    let number = Self.count.add(1, ordering: .relaxed).newValue
    slots = ["alpha": "first-\(number)", "beta": "second-\(number)"]
    options = AgentOptions(stateDirectory: directory.path("state"))
    options.trustKeys = [try directory.write("vendor.pub", try key.publicKey.pem)]
    options.product = "upf"
    options.probe = try BuiltProduct.path("hitless-probe")
    options.graceTimeout = 10_000_000_000
    // No module here is endless; but a batch of instrumented code may take long on a busy machine.
    options.guarding.batchBudget = 5_000_000_000
    for name in modules {
      try directory.write("\(name).so", try Modules.cached(name, 0))
    }
  }

  var state: String { directory.path("state") }

  /// Opens an agent, defines the slots and starts it.
  func start() throws -> Agent {
    let agent = try open()
    try agent.start()
    return agent
  }

  /// Leaves a confirmed set behind.
  func confirmOne() throws {
    let agent = try start()
    _ = try confirmOne(on: agent)
    try agent.close()
  }

  /// Confirms the patch of the first slot; returns its transaction.
  func confirmOne(on agent: Agent) throws -> UInt64 {
    let number = try agent.install(patch: try patch())
    _ = try agent.activate(number)
    try agent.confirm(number)
    return number
  }

  /// Opens an agent and defines the slots.
  func open() throws -> Agent {
    let agent = try Agent(options)
    for name in modules {
      let requirement = SlotRequirement(
        name: slots[name] ?? name, interfaceID: Modules.interfaces[name] ?? 0x63,
        interfaceVersion: 1, tableSize: 16)
      _ = try agent.defineSlot(
        SlotOptions(requirement, module: directory.path("\(name).so")))
    }
    return agent
  }

  /// A patch from one build of some modules to another.
  func patch(
    _ names: [String] = ["alpha"], from: UInt32 = 0, to: UInt32 = 1, sequence: UInt64? = nil,
    change: (inout PatchRequest) -> Void = { _ in }
  ) throws -> [UInt8] {
    let pairs = try names.map {
      PatchRequest.Pair(
        base: try Modules.cached($0, from), target: try Modules.cached($0, to),
        names: ("\($0) base", "\($0) target"))
    }
    return try patch(pairs, sequence: sequence ?? UInt64(to) + 1, change: change)
  }

  func patch(
    _ pairs: [PatchRequest.Pair], sequence: UInt64,
    change: (inout PatchRequest) -> Void = { _ in }
  ) throws -> [UInt8] {
    var request = PatchRequest(pairs: pairs, keys: [key])
    request.product = "upf"
    request.release = "r\(sequence)"
    request.sequence = sequence
    change(&request)
    return try PatchBuilder.build(request).bytes
  }

  /// How many images are mapped for the slot of `module`.
  func mappedImages(_ module: String) -> Int {
    let mark = "memfd:hitless:\(slots[module] ?? module):"
    let maps = String(decoding: contents(of: "/proc/self/maps") ?? [], as: UTF8.self)
    let inodes = maps.split(separator: "\n").filter { $0.contains(mark) }.map {
      $0.split(separator: " ", omittingEmptySubsequences: true)[4]
    }
    return Set(inodes).count
  }

  /// The kinds of the audit lines, in order, after the chain was checked.
  func auditKinds() throws -> [String] {
    let content = contents(of: "\(state)/audit.jsonl") ?? []
    _ = try AuditChain.verify(content, continued: false)
    let lines = String(decoding: content, as: UTF8.self).split(separator: "\n")
    return lines.compactMap { line in
      line.split(separator: "\"event\":\"").dropFirst().first?.split(separator: "\"").first
        .map(String.init)
    }
  }

  /// Everything in the state directory that a refusal may not change.
  func durableState() -> [String: [UInt8]] {
    var files = snapshot(of: state)
    files["audit.jsonl"] = nil
    return files
  }
}

/// A thread that runs batches: it enters, calls `answer(10)` of every slot, and leaves the results.
final class TestWorker: Sendable {
  private let flags = Guarded(Flags())
  private let thread: Guarded<SystemThread?>

  private struct Flags {
    var isStopping = false
    var isStalled = false
    var isInStall = false
    var results: [Int32] = []
    var isTorn = false
    var batches = 0
    var failure: Refusal?
    var isReady = false
  }

  /// Registers a worker; `mix` says which results may stand together, for tests of several modules.
  init(
    _ agent: Agent, _ name: String = "worker", slots: UInt32 = 2,
    mix: @escaping @Sendable ([Int32]) -> Bool = { _ in true }
  ) throws {
    thread = Guarded(nil)
    let started = try SystemThread.start("test-worker") { [self] in
      work(agent, name, slots, mix)
    }
    var handle: SystemThread? = started
    thread.withLock { $0 = handle.take() }
    try #require(eventually { flags.withLock { $0.isReady } })
    if let failure = flags.withLock({ $0.failure }) { throw failure }
  }

  private func work(
    _ agent: Agent, _ name: String, _ slots: UInt32, _ mix: ([Int32]) -> Bool
  ) {
    let worker: UnsafeMutablePointer<hitless_worker>
    do throws(Refusal) {
      unsafe worker = try agent.registerWorker(name: name)
    } catch {
      return flags.withLock { ($0.failure, $0.isReady) = (error, true) }
    }
    while !flags.withLock({ $0.isStopping }) {
      let results = unsafe batch(worker, slots)
      flags.withLock { flags in
        flags.results = results
        flags.batches += 1
        flags.isReady = true
        if !mix(results) { flags.isTorn = true }
      }
      while flags.withLock({ flags in
        flags.isInStall = flags.isStalled
        return flags.isStalled
      }) { pause() }
      pause()
    }
    unsafe try? agent.unregisterWorker(worker)
  }

  private func batch(_ worker: UnsafeMutablePointer<hitless_worker>, _ slots: UInt32) -> [Int32] {
    let view = unsafe hitless_enter(worker)
    return (0..<slots).map { slot in
      typealias Answer = @convention(c) (Int32) -> Int32
      guard let table = unsafe hitless_table(view, slot) else { return -1 }
      // SAFETY: the table of TestModule starts with this function.
      return unsafe table.assumingMemoryBound(to: Answer.self).pointee(10)
    }
  }

  private func pause() { _ = Monitor(0).wait(until: .after(100_000)) { _ in nil as Int? } }

  /// What the last batch's calls returned, one per slot.
  var results: [Int32] { flags.withLock { $0.results } }
  /// Whether a batch saw modules that do not belong together.
  var isTorn: Bool { flags.withLock { $0.isTorn } }
  var batches: Int { flags.withLock { $0.batches } }

  /// Makes the worker stay in its batch, without a report; returns when it does.
  func stall() {
    flags.withLock { $0.isStalled = true }
    _ = eventually { flags.withLock { $0.isInStall } }
  }

  func proceed() { flags.withLock { $0.isStalled = false } }

  /// Unregisters the worker and ends its thread.
  func stop() {
    flags.withLock { ($0.isStopping, $0.isStalled) = (true, false) }
    let handle = thread.withLock { $0.take() }
    handle?.join()
  }

  deinit { stop() }
}
