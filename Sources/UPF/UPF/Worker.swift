internal import CHitless
internal import CPlatform
internal import CUPF
internal import GTPU
internal import PacketIO
internal import Platform
internal import Refusal
internal import Synchronization

/// What the workers of one node share.
///
/// Threading: any worker, and who stops them.
final class WorkerGroup: Sendable {
  /// Set once, to end the workers.
  let isStopping = Atomic<Bool>(false)
  /// Workers that take nothing more from their ports and give nothing more to others.
  let quietCount = Atomic<Int>(0)
}

/// Rings between one worker and the others, in their order; its own place is empty.
struct HandoverRings: Sendable {
  var incoming: [PacketRing?]
  var outgoing: [PacketRing?]
  var doorbells: [Doorbell]
}

/// One data-plane thread: takes packets from N3 and N6, runs them through the pipeline in batches of
/// 32, sends what comes out, and counts every one of them.
///
/// Threading: `run` and what it calls belong to one thread; counters can be read from any. Nothing on
/// the way of a packet allocates, locks or counts references.
@safe
final class Worker: @unchecked Sendable {
  let index: Int
  let workerCount: Int
  let n3: WorkerPort
  let n6: WorkerPort
  let n3Address: UInt32
  let doorbell: Doorbell
  let counters: WorkerCounters
  let state: StateStore
  let publisher: TablePublisher
  let group: WorkerGroup
  let rings: HandoverRings
  let replies: ReplyQueue
  let memory: BatchMemory
  let signals: HealthSignals
  let pipeline: UnsafeMutablePointer<PipelineBatch>

  /// Fates of the packets that were received together.
  let fates: UnsafeMutablePointer<UInt8>
  /// Origins of packets that were handed over.
  let origins: UnsafeMutablePointer<UInt8>
  let takenOver: UnsafeMutableBufferPointer<PacketBuffer>
  let markKeys: UnsafeMutablePointer<UInt32>
  var markCount = 0
  private let memories: [ZeroedMemory]

  var now: UInt64 = 0
  var errorIndications = RateLimiter(perSecond: 100, burst: 100)
  var headerNotices = RateLimiter(perSecond: 10, burst: 10)
  /// What happened since the counters were settled.
  var pending = PendingCounts()
  /// Modules whose identity is already written down, a bit per ordinal, by slot.
  var identified: (UInt64, UInt64) = (0, 0)

  init(
    _ configuration: WorkerConfiguration, state: StateStore, publisher: TablePublisher,
    group: WorkerGroup, rings: HandoverRings, tables: UnsafePointer<RuleTablesView>
  ) throws(Refusal) {
    index = configuration.index
    workerCount = configuration.workerCount
    n3 = configuration.n3
    n6 = configuration.n6
    n3Address = configuration.n3Address
    doorbell = configuration.doorbell
    counters = try WorkerCounters()
    self.state = state
    self.publisher = publisher
    self.group = group
    self.rings = rings
    replies = try ReplyQueue()
    memory = try unsafe BatchMemory(
      slots: configuration.slots, worker: configuration.index,
      workerCount: configuration.workerCount, state: state, tables: tables,
      packetsAreReadOnly: configuration.packetsAreReadOnly)
    signals = configuration.signals
    unsafe pipeline = memory.pipeline
    let limit = Int(UPF_BATCH_MAX)
    let fateMemory = try ZeroedMemory(count: 2 * limit, stride: 1)
    let takenMemory = try unsafe ZeroedMemory(
      count: limit, stride: MemoryLayout<PacketBuffer>.stride)
    let markMemory = try ZeroedMemory(count: CounterIndex.markLimit, stride: 4)
    memories = [fateMemory, takenMemory, markMemory]
    unsafe fates = fateMemory.records()
    unsafe origins = fates + limit
    unsafe takenOver = UnsafeMutableBufferPointer(start: takenMemory.records(), count: limit)
    unsafe markKeys = markMemory.records()
  }

  /// Works until the group is stopped, then until nothing is left between the workers.
  func run(_ worker: UnsafeMutablePointer<hitless_worker>) throws(Refusal) {
    var poller = Poller()
    doorbell.add(to: &poller)
    n3.add(to: &poller)
    n6.add(to: &poller)
    publisher.resume(index)
    defer { publisher.idle(index) }
    var emptyRounds = 0
    var isQuiet = false
    while true {
      // A worker that only drops and answers reaches no batch, and still must let go of old views.
      _ = unsafe hitless_enter(worker)
      var count = 0
      if group.isStopping.load(ordering: .acquiring) {
        if !isQuiet { becomeQuiet() }
        isQuiet = true
      } else {
        count += unsafe serve(n3, .n3, worker)
        count += unsafe serve(n6, .n6, worker)
      }
      count += unsafe serveRings(worker)
      if count > 0 {
        emptyRounds = 0
      } else if isQuiet, isEverythingHandedOver {
        return
      } else {
        emptyRounds += 1
        if emptyRounds > Self.emptyRoundsBeforeWaiting { try unsafe wait(&poller, worker) }
      }
    }
  }

  private static let emptyRoundsBeforeWaiting = 32

  /// From here on this worker gives nothing to others: what is not its own is dropped and counted.
  private func becomeQuiet() {
    unsafe pipeline.pointee.mayHandOver = false
    // Ordering: release; who sees the count sees the last packet in this worker's rings.
    _ = group.quietCount.add(1, ordering: .acquiringAndReleasing)
    for doorbell in rings.doorbells { doorbell.ring() }
  }

  private var isEverythingHandedOver: Bool {
    group.quietCount.load(ordering: .acquiring) == workerCount
      && rings.incoming.allSatisfy { $0?.hasNothingToTake ?? true }
  }

  /// Blocks until something may be there, or for a second.
  private func wait(
    _ poller: inout Poller, _ worker: UnsafeMutablePointer<hitless_worker>
  ) throws(Refusal) {
    unsafe hitless_idle(worker)
    publisher.idle(index)
    doorbell.fallAsleep()
    var failure: SystemError?
    if !mayHaveWork {
      do throws(SystemError) {
        _ = try poller.wait(nanoseconds: 1_000_000_000)
      } catch {
        failure = error
      }
    }
    doorbell.wakeUp()
    publisher.resume(index)
    unsafe hitless_resume(worker)
    if let failure { throw failure.refusal }
  }

  /// What no descriptor tells of; looked at once more after `fallAsleep`.
  private var mayHaveWork: Bool {
    n3.mayHavePackets || n6.mayHavePackets
      || rings.incoming.contains { $0.map { !$0.hasNothingToTake } ?? false }
      || (group.isStopping.load(ordering: .acquiring)
        && group.quietCount.load(ordering: .acquiring) == workerCount)
  }
}
