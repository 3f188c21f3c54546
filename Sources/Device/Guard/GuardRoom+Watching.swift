internal import CGuard
internal import CHitless
internal import Glibc
internal import Platform
internal import Synchronization

extension GuardRoom {
  /// Looks, four times per budget, whether a worker is still in the batch in which it was before.
  ///
  /// A batch is known by its number, so workers read no clock. What counts is the processor time of the
  /// thread: one that was stopped, or waits for a processor, is not late. Nobody is signalled but who is late.
  func watch() {
    let interval = Int64(clamping: max(100_000, options.batchBudget / 4))
    var highest: Int32 = -1
    while !isStopping.load(ordering: .acquiring) {
      guard isNeeded else {
        bell.wait()
        continue
      }
      // Workers come, and hosts raise them after they have come.
      let worker = highestPriority()
      let own = priority.load(ordering: .relaxed)
      // Whoever has begun a trial may have seen less of them, and set what was right then.
      if worker != highest || own > 0 && own < Self.priority(above: worker) {
        raisePriority(above: worker)
      }
      highest = worker
      // What the host has installed since the last look must not get the candidate's faults.
      _ = hitless_guard_install(options.signal)
      lookAtWorkers()
      bell.wait(nanoseconds: interval)
    }
  }

  /// Whether anybody can be in a batch that may have to be ended.
  private var isNeeded: Bool {
    isWatching.load(ordering: .acquiring) || isCopying.load(ordering: .acquiring)
      || settled.load(ordering: .acquiring) < awaited.load(ordering: .acquiring)
  }

  private func lookAtWorkers() {
    var next = unsafe UnsafeMutablePointer<hitless_guard>(
      bitPattern: first.load(ordering: .acquiring))
    while let record = unsafe next {
      unsafe look(at: record)
      unsafe next = record.pointee.next
    }
  }

  private func look(at record: UnsafeMutablePointer<hitless_guard>) {
    let thread = unsafe Self.thread(of: record)
    let batch = unsafe Self.batch(of: record)
    guard thread != 0, batch % 2 == 1 else { return }
    let time = hitless_guard_thread_time(thread)
    guard time != .max else { return }
    guard unsafe record.pointee.watched_batch == batch else {
      unsafe record.pointee.watched_batch = batch
      unsafe record.pointee.watched_time = time
      return
    }
    let used = unsafe time &- record.pointee.watched_time
    guard used >= options.batchBudget else { return }
    _ = unsafe hitless_guard_tell(record, batch, options.signal)
  }

  /// Ordering: relaxed; see `WorkerGuard.thread`.
  private static func thread(of record: UnsafeMutablePointer<hitless_guard>) -> UInt32 {
    unsafe (UnsafeMutableRawPointer(record) + 128).assumingMemoryBound(to: Atomic<UInt32>.self)
      .pointee.load(ordering: .relaxed)
  }

  /// Ordering: relaxed; the number is compared with itself, and by the worker's own handler once more.
  private static func batch(of record: UnsafeMutablePointer<hitless_guard>) -> UInt64 {
    unsafe (UnsafeMutableRawPointer(record.pointee.worker) + 160)
      .assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
  }

  /// The priority of a watchdog that is to run before workers of the priority `highest`.
  static func priority(above highest: Int32) -> Int32 {
    min(highest + 1, sched_get_priority_max(SCHED_FIFO))
  }

  /// The highest real-time priority of a worker; 0 when none has one.
  func highestPriority() -> Int32 {
    var highest: Int32 = 0
    var next = unsafe UnsafeMutablePointer<hitless_guard>(
      bitPattern: first.load(ordering: .acquiring))
    while let record = unsafe next {
      var parameters = sched_param()
      let thread = unsafe Self.thread(of: record)
      if thread != 0, unsafe sched_getparam(pid_t(bitPattern: thread), &parameters) == 0 {
        highest = max(highest, parameters.sched_priority)
      }
      unsafe next = record.pointee.next
    }
    return highest
  }

  /// Gives the calling thread a real-time priority above `highest`, if it may have one.
  private func raisePriority(above highest: Int32) {
    var wanted = sched_param()
    wanted.sched_priority = Self.priority(above: highest)
    // SAFETY: the record is ours; 0 is the calling thread.
    let isGranted = unsafe sched_setscheduler(0, SCHED_FIFO, &wanted) == 0
    priority.store(isGranted ? wanted.sched_priority : 0, ordering: .relaxed)
  }
}

extension GuardRoom {
  /// The same, found out by asking for it with a thread that does nothing else when none has asked yet.
  package func expectedScheduling() -> String {
    guard priority.load(ordering: .relaxed) == -1 else { return scheduling }
    do throws(SystemError) {
      try SystemThread.start("hitless-watch") { [self] in
        raisePriority(above: highestPriority())
      }.join()
    } catch {
      return "no thread: \(error)"
    }
    return scheduling
  }

  /// What the kernel lets the watchdog have, in words.
  package var scheduling: String {
    switch priority.load(ordering: .relaxed) {
    case -1: "not started yet"
    case 0: "normal priority: real-time workers on its processor can keep it from looking"
    case let value: "real-time priority \(value)"
    }
  }
}
