internal import CHitless
internal import Glibc
internal import PacketIO
internal import Platform
package import Refusal
internal import Synchronization

/// The user plane of one node: its rule tables, its records, its workers.
///
/// Threading: every call may be made from any thread but a worker's; calls that change something wait
/// for each other. None but `start`, `stop` and `replaceSessions` blocks, and no worker ever waits for
/// any of them.
package final class UserPlane: Sendable {
  let workers: [Worker]
  private let seats: [WorkerSeat]
  private let group = WorkerGroup()
  private let publisher: TablePublisher
  let state: StateStore
  let shadow: ShadowPlane
  let control: Guarded<RuleControl>
  private let threads = Guarded<[StartedWorker]>([])

  /// Builds everything; nothing runs yet.
  package init(
    _ options: UserPlaneOptions, sessions: [SessionSpecification]
  ) throws(Refusal) {
    let count = options.seats.count
    guard (1...UserPlaneOptions.largestWorkerCount).contains(count) else {
      throw Refusal(
        .limit, "\(count) workers", expected: "1 to \(UserPlaneOptions.largestWorkerCount)")
    }
    seats = options.seats
    state = try StateStore(limits: options.limits, bucketTable: options.bucketTable)
    let control = try RuleControl(
      limits: options.limits, n3Address: options.n3Address.rawValue, state: state,
      sessions: sessions)
    // One reader more: who runs copies of batches.
    publisher = try unsafe TablePublisher(control.tables.view, workerCount: count + 1)
    shadow = try ShadowPlane(options, publisher, reader: count)
    var rings = try Self.rings(options)
    var workers: [Worker] = []
    for (index, seat) in options.seats.enumerated() {
      let configuration = WorkerConfiguration(
        index: index, workerCount: count, n3: seat.n3, n6: seat.n6,
        n3Address: options.n3Address.rawValue, doorbell: seat.doorbell,
        slots: (options.classifySlot, options.qerSlot),
        packetsAreReadOnly: options.packetsAreReadOnly, signals: options.signals)
      workers.append(
        try unsafe Worker(
          configuration, state: state, publisher: publisher, group: group,
          rings: rings.removeFirst(), tables: control.tables.view))
    }
    self.workers = workers
    self.control = Guarded(control)
  }

  /// A ring from every worker to every other one, as each worker sees them.
  private static func rings(_ options: UserPlaneOptions) throws(Refusal) -> [HandoverRings] {
    let count = options.seats.count
    var matrix: [[PacketRing?]] = []
    for source in 0..<count {
      var row: [PacketRing?] = []
      for target in 0..<count {
        row.append(
          source == target ? nil : try PacketRing(byteCount: options.handoverByteCount))
      }
      matrix.append(row)
    }
    return (0..<count).map { worker in
      HandoverRings(
        incoming: matrix.map { $0[worker] }, outgoing: matrix[worker],
        doorbells: options.seats.map(\.doorbell))
    }
  }

  /// Starts one thread per worker and returns when each is registered; on failure none is left.
  package func start(_ registry: any WorkerRegistry) throws(Refusal) {
    for (worker, seat) in zip(workers, seats) {
      do throws(Refusal) {
        let started = try StartedWorker(worker, processor: seat.processor, registry: registry)
        threads.withLock { $0.append(started) }
        try started.waitUntilRegistered()
      } catch {
        // A worker that never started will not count itself quiet.
        let missing = workers.count - threads.withLock { $0.count { $0.isRegistered } }
        _ = group.quietCount.add(missing, ordering: .acquiringAndReleasing)
        _ = endThreads()
        throw error
      }
    }
  }

  /// What ended a worker before its time, if something did.
  package var failure: Refusal? {
    threads.withLock { started in started.lazy.compactMap(\.failure).first }
  }

  /// Ends the workers once nothing is left between them; packets that wait outside stay there.
  ///
  /// Throws the first failure that ended a worker before its time.
  package func stop() throws(Refusal) {
    if let failure = endThreads() { throw failure }
  }

  private func endThreads() -> Refusal? {
    group.isStopping.store(true, ordering: .releasing)
    for worker in workers { worker.doorbell.ring() }
    let started = threads.withLock { started in
      defer { started = [] }
      return started
    }
    return started.compactMap { $0.join() }.first
  }

  /// Puts other sessions in place of those there are, between two batches of every worker.
  ///
  /// Sessions, QERs and URRs with the same identifiers keep their counters, usage and buckets. What is
  /// refused changes nothing. Waits until no worker uses the old tables, which takes a batch.
  @discardableResult
  package func replaceSessions(
    _ sessions: [SessionSpecification]
  ) throws(Refusal) -> TableSummary {
    try control.withLock { (control) throws(Refusal) in
      let old = try control.replace(sessions, state: state)
      unsafe publisher.publish(control.tables.view)
      control.retire(old)
      let deadline = MonotonicClock.now + Self.graceNanoseconds
      while !control.release(state: state, publisher: publisher, workers: workers) {
        guard MonotonicClock.now < deadline else { break }
        usleep(50)
      }
      return control.summary
    }
  }

  /// How long a reload waits for workers; old tables that are still in use then are kept until the
  /// next reload looks again.
  private static let graceNanoseconds: UInt64 = 1_000_000_000
}
