package import CHitless
internal import Glibc
internal import Guard
internal import Platform
package import Refusal

extension SwapDomain {
  /// Longest name of a worker that is kept.
  package static let workerNameLimit = 64

  /// Registers the calling thread as a worker, with the view in force.
  ///
  /// From here on every grace period waits for it unless it is idle, or its thread has ended. Something must have
  /// been published.
  package func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker>
  {
    let record = try state.withLock { (state) throws(Refusal) in
      guard state.views.currentSequence > 0 else {
        throw Refusal(.state, "no generation is in force yet: a worker would have nothing to call")
      }
      let name = String(name.prefix(Self.workerNameLimit))
      guard let record = state.vacantRecord(named: name, in: room),
        let view = unsafe state.views.view(forWorker: record.index)
      else {
        throw Refusal(.noSpace, "no memory for another worker")
      }
      unsafe record.start(with: view, sequence: state.views.currentSequence)
      state.workers.append(record)
      return record
    }
    if let room { record.workerGuard?.seat(name: record.name, signal: room.options.signal) }
    return unsafe record.pointer
  }

  /// Ends a worker; it may touch no view afterwards.
  ///
  /// Called by the worker, or by who has joined its thread; also when the domain has ended it already, because its
  /// thread had.
  package func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) throws(Refusal) {
    try state.withLock { (state) throws(Refusal) in
      if let index = state.workers.firstIndex(where: { unsafe $0.pointer == worker }) {
        state.vacant.append(state.end(workerAt: index))
      } else if let index = state.orphans.firstIndex(where: { unsafe $0.pointer == worker }) {
        state.vacant.append(state.orphans.remove(at: index))
      } else {
        throw Refusal(.state, "this worker is not registered")
      }
    }
  }

  /// Ends the workers among `records` whose threads have ended without unregistering, and keeps their reports for
  /// `takeEndedWorkers`; true when there were any.
  ///
  /// A thread that is gone reads nothing any more, so the views that it has held are let go, as if it had
  /// unregistered. Only the kernel's word counts: a deadline that has passed is no proof of anything. The record
  /// serves no other worker until the host unregisters it, lest that should end the wrong one.
  private func endWorkersWithoutThread(among records: [WorkerRecord]) -> Bool {
    let gone = records.filter(\.thread.hasEnded)
    guard !gone.isEmpty else { return false }
    state.withLock { state in
      for record in gone {
        // It may have been unregistered meanwhile, and registered by another thread.
        let index = state.workers.firstIndex {
          unsafe $0.pointer == record.pointer && $0.thread == record.thread
        }
        guard let index else { continue }
        if state.ended.count == Self.endedLimit { state.ended.removeFirst() }
        state.ended.append(WorkerReport(record, nil, nil))
        state.endedCount += 1
        state.orphans.append(state.end(workerAt: index))
      }
    }
    return true
  }

  /// Ends the worker if its thread has ended without unregistering.
  func endWithoutThread(_ record: WorkerRecord) -> Bool {
    endWorkersWithoutThread(among: [record])
  }

  /// Ends all workers whose threads have ended without unregistering.
  package func endWorkersWithoutThread() {
    _ = endWorkersWithoutThread(among: state.withLock { $0.workers })
  }

  /// Most reports of ended workers that are kept until somebody takes them.
  private static let endedLimit = 64

  /// Reports of the workers that were ended because their threads had, since the last call.
  package func takeEndedWorkers() -> [WorkerReport] {
    state.withLock { state in
      defer { state.ended.removeAll() }
      return state.ended
    }
  }

  /// How many workers were ended because their threads had.
  package var endedWorkerCount: UInt64 { state.withLock { $0.endedCount } }

  /// What every worker is doing.
  ///
  /// Blocks for a few milliseconds, to tell who runs.
  package func workerReports() -> [WorkerReport] {
    report(on: state.withLock { $0.workers })
  }

  /// How many workers are registered.
  package var workerCount: Int { state.withLock { $0.workers.count } }

  /// Watches the threads of `records` for a moment and says what each was doing.
  func report(on records: [WorkerRecord]) -> [WorkerReport] {
    let first = records.map { ThreadActivity.sample(threadID: $0.thread.id) }
    if !records.isEmpty { sleepNanoseconds(Self.watchNanoseconds) }
    return zip(records, first).map { record, first in
      let second = ThreadActivity.sample(threadID: record.thread.id)
      return WorkerReport(record, first, second)
    }
  }

  /// Long enough for a running thread to have used processor time that the kernel has counted.
  private static let watchNanoseconds: UInt64 = 2_000_000
}

extension SwapDomain.State {
  /// Takes a worker off the list of those that publications store to and grace periods wait for.
  mutating func end(workerAt index: Int) -> WorkerRecord {
    let record = workers.remove(at: index)
    record.end()
    record.workerGuard?.leave()
    // What a thread had in use that has ended in the middle of a batch; nobody else writes to the list now.
    unsafe hitless_state_end(record.pointer)
    return record
  }

  /// A record for the calling thread: one that was given back, or a new one.
  mutating func vacantRecord(named name: String, in room: GuardRoom?) -> WorkerRecord? {
    let thread = ThreadIdentity.current
    // The lowest index first: a canary of workers is of those that have it.
    if let place = vacant.indices.min(by: { vacant[$0].index < vacant[$1].index }) {
      let old = vacant.remove(at: place)
      return unsafe WorkerRecord(
        pointer: old.pointer, name: name, thread: thread, workerGuard: old.workerGuard)
    }
    guard let memory = unsafe lineAlignedMemory(MemoryLayout<hitless_worker>.size) else {
      return nil
    }
    let pointer = unsafe memory.bindMemory(to: hitless_worker.self, capacity: 1)
    unsafe pointer.pointee.size = UInt32(MemoryLayout<hitless_worker>.size)
    unsafe pointer.pointee.index = workerCount
    // Without it nothing is measured, and a rollout finds nothing out; the worker works.
    unsafe pointer.pointee.health = WorkerRecord.makeHealth(seed: workerCount)
    // Without it the worker is told of every record on its way that it is nowhere.
    unsafe pointer.pointee.claims = lineAlignedMemory(MemoryLayout<hitless_claims>.size)?
      .bindMemory(to: hitless_claims.self, capacity: 1)
    let workerGuard = unsafe room?.makeGuard(for: pointer)
    guard room == nil || workerGuard != nil else {
      unsafe free(pointer.pointee.health)
      unsafe free(pointer.pointee.claims)
      unsafe free(pointer)
      return nil
    }
    workerCount += 1
    return unsafe WorkerRecord(
      pointer: pointer, name: name, thread: thread, workerGuard: workerGuard)
  }
}

extension WorkerReport {
  init(_ record: WorkerRecord, _ first: ThreadActivity?, _ second: ThreadActivity?) {
    name = record.name
    threadID = record.thread.id
    let seen = record.lastSeen
    self.seen = seen == idleSequence ? nil : seen
    guard let first, let second, !record.thread.hasEnded else {
      activity = seen == idleSequence ? .idle : .ended
      contextSwitches = 0
      return
    }
    let ran = second.processorNanoseconds > first.processorNanoseconds
    activity =
      seen == idleSequence ? .idle : ran ? .running : .notScheduled(state: second.state)
    contextSwitches =
      second.voluntarySwitches &- first.voluntarySwitches
      &+ second.involuntarySwitches &- first.involuntarySwitches
  }
}
