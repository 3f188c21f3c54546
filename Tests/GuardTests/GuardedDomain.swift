import CHitless
import CUPF
import ElfImage
import Glibc
import Guard
import HotSwap
import Platform
import Refusal
import Synchronization
import TestSupport
import Testing

/// A domain with two builds of the qer from Fixtures, without an agent: stable, and one that fails.
final class GuardedDomain: Sendable {
  let room: GuardRoom
  let domain: SwapDomain
  let stable: Generation
  let candidate: Generation

  init(
    _ failure: Failure = .segv, at placement: ThreadPlacement = .inherited,
    _ change: (inout GuardOptions) -> Void = { _ in }
  ) throws {
    var options = GuardOptions()
    // A hypervisor that stops the processor for a while is not taken for a loop.
    options.batchBudget = 500_000_000
    change(&options)
    room = try GuardRoom(options)
    domain = SwapDomain(slotCount: 1, room: room)
    stable = try domain.makeGeneration([try Self.map(try FaultyModule.image(1), 0)])
    candidate = try domain.makeGeneration([try Self.map(try FaultyModule.image(2, failure), 1)])
    _ = try domain.publish(stable: stable)
    try room.begin(at: placement)
  }

  private static func map(_ bytes: [UInt8], _ ordinal: UInt32) throws -> MappedModule {
    let image = try LoadabilityLint.check(bytes, policy: .standard, name: "fixture")
    let file = try SealedMemoryFile.seal(bytes, name: "hitless:test")
    return try MappedModule.map(
      descriptor: file.descriptor.number,
      expecting: ModuleExpectation(
        buildID: try #require(image.buildID), facts: try #require(image.moduleFactsBytes)),
      ordinal: ordinal)
  }

  /// Puts the candidate on trial.
  func tryCandidate(deadline: UInt64 = 0, placement: Placement = .everywhere) throws {
    candidate.breaker.close()
    _ = try domain.publish(
      stable: stable, candidate: candidate, placement: placement, deadline: deadline)
  }

  /// Goes back to stable.
  func goBack() throws { _ = try domain.publish(stable: stable) }

  /// The fault of the candidate that was reported, after making room for the next one; nil where none comes.
  func takeFault() -> GuardFault? {
    guard eventually({ room.hasFault(of: candidate.number) }) else { return nil }
    return room.answerFault()
  }
}

/// Where a worker registers.
protocol WorkerHome: AnyObject, Sendable {
  func registerWorker(name: String) throws -> UnsafeMutablePointer<hitless_worker>
  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) throws
}

extension GuardedDomain: WorkerHome {
  func registerWorker(name: String) throws -> UnsafeMutablePointer<hitless_worker> {
    try unsafe domain.registerWorker(name: name)
  }

  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) throws {
    unsafe try domain.unregisterWorker(worker)
  }
}

/// A worker on the thread that makes it, and the batch that it runs.
@safe
struct HandWorker: ~Copyable {
  /// What the pipeline function itself does wrong, after the module has returned.
  enum HostFailure: Int32 {
    case none
    case fault
    /// Says that it has reached the commit point, and then calls the module all the same.
    case faultInModuleAfterCommit
  }

  static let packetCount = 32

  private let home: any WorkerHome
  let worker: UnsafeMutablePointer<hitless_worker>
  private let work: UnsafeMutablePointer<Work>

  @unsafe
  struct Work {
    var batch = unsafe upf_batch()
    var hostFailure: Int32 = 0
    var worker: UnsafeMutablePointer<hitless_worker>?
    /// Workers of which all have to be in a batch of the candidate before it is called.
    var gate: UnsafeMutablePointer<Int>?
    var gateTarget = 0
    var runs: UInt64 = 0
    var applied: UInt64 = 0
    var torn: UInt64 = 0
  }

  init(_ home: some WorkerHome, name: String = "by hand") throws {
    self.home = home
    unsafe worker = try home.registerWorker(name: name)
    unsafe work = .allocate(capacity: 1)
    unsafe work.initialize(to: Work())
    unsafe work.pointee.worker = worker
    let packets = UnsafeMutablePointer<upf_packet>.allocate(capacity: Self.packetCount)
    unsafe packets.initialize(repeating: upf_packet(), count: Self.packetCount)
    unsafe work.pointee.batch.packets = UnsafePointer(packets)
    unsafe work.pointee.batch.verdicts = .allocate(capacity: Self.packetCount)
    unsafe work.pointee.batch.updates = .allocate(capacity: Self.packetCount)
    unsafe work.pointee.batch.count = UInt32(Self.packetCount)
  }

  /// Runs one batch and returns the version of the module that has done it.
  func run(trigger: Bool = false, _ hostFailure: HostFailure = .none) -> Int32 {
    let packets = unsafe UnsafeMutablePointer(mutating: work.pointee.batch.packets)
    unsafe packets?[Self.packetCount / 2].destination_port = trigger ? 6666 : 0
    unsafe work.pointee.hostFailure = hostFailure.rawValue
    return unsafe hitless_run_batch(worker, pipeline, work)
  }

  /// The same of many workers at once: in the candidate's batch each waits until `target` have come to the gate.
  func run(at gate: WorkerGate, until target: Int) -> Int32 {
    unsafe work.pointee.gate = gate.word
    unsafe work.pointee.gateTarget = target
    defer { unsafe work.pointee.gate = nil }
    return run(trigger: true)
  }

  /// How often the pipeline function has begun.
  var runs: UInt64 { unsafe work.pointee.runs }
  /// Packets that were applied at a commit point.
  var applied: UInt64 { unsafe work.pointee.applied }
  /// Batches that were committed although a module had not finished with them.
  var torn: UInt64 { unsafe work.pointee.torn }

  consuming func end() throws { unsafe try home.unregisterWorker(worker) }
}

/// Counts workers that are in a batch of the candidate.
///
/// Threading: the word is counted up atomically by each of them; the memory lives as long as the gate.
@safe
final class WorkerGate: @unchecked Sendable {
  let word: UnsafeMutablePointer<Int>

  init() {
    unsafe word = .allocate(capacity: 1)
    unsafe word.initialize(to: 0)
  }

  deinit { unsafe word.deallocate() }

  /// Counts the calling worker, and waits for the others.
  static func pass(_ word: UnsafeMutablePointer<Int>, until target: Int) {
    // SAFETY: an atomic word has the layout of the word, which everybody uses as one.
    let word = unsafe UnsafeMutableRawPointer(word).assumingMemoryBound(to: Atomic<Int>.self)
    unsafe word.pointee.add(1, ordering: .relaxed)
    while unsafe word.pointee.load(ordering: .relaxed) < target { sched_yield() }
  }
}

private let pipeline: hitless_pipeline = { view, context in
  guard let view = unsafe view, let context = unsafe context else { return -1 }
  let work = unsafe context.assumingMemoryBound(to: HandWorker.Work.self)
  unsafe work.pointee.runs += 1
  let count = HandWorker.packetCount
  for index in 0..<count { unsafe work.pointee.batch.verdicts[index] = upf_verdict() }
  guard
    let process = unsafe hitless_table(view, 0)?.assumingMemoryBound(to: upf_qer_table.self)
      .pointee.process
  else { return -2 }
  let isLate = unsafe work.pointee.hostFailure == 2
  if isLate, let worker = unsafe work.pointee.worker { unsafe hitless_commit(worker) }
  if let gate = unsafe work.pointee.gate, unsafe view.pointee.candidate != nil {
    unsafe WorkerGate.pass(gate, until: work.pointee.gateTarget)
  }
  unsafe process(nil, &work.pointee.batch)
  if unsafe work.pointee.hostFailure == 1 {
    unsafe UnsafeMutablePointer<UInt64>(bitPattern: 8)?.pointee = 1
  }
  if let worker = unsafe work.pointee.worker { unsafe hitless_commit(worker) }
  let mark = unsafe work.pointee.batch.verdicts[0].qer_mark
  for index in 0..<count {
    let verdict = unsafe work.pointee.batch.verdicts[index]
    if verdict.drop != 0 || verdict.qer_mark != mark { unsafe work.pointee.torn += 1 }
  }
  unsafe work.pointee.applied += UInt64(count)
  return Int32(mark)
}
