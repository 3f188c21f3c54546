internal import CHitless
internal import Glibc
internal import Guard
package import Platform
package import Refusal

extension SwapDomain {
  /// Gives every view from the next publication on these tables, each with records of the schema
  /// named beside it.
  package func defineStates(
    _ tables: [(StateDefinition, StateDefinition.Schema)]
  ) throws(Refusal) {
    guard !tables.isEmpty else { return }
    var settled: [ViewStates.Table] = []
    for (table, schema) in tables {
      let area =
        if let records = unsafe table.records {
          unsafe StateArea(schema, at: records)
        } else { try StateArea(schema, count: table.count, of: table.name) }
      settled.append(
        ViewStates.Table(
          definition: table, areas: [area], move: nil, phase: Int32(HITLESS_STATE_SETTLED)))
    }
    let states = try ViewStates(settled)
    try state.withLock { (state) throws(Refusal) in
      guard state.views.currentSequence == 0 else {
        throw Refusal(.state, "state tables are defined before anything is in force")
      }
      state.views.states = states
    }
  }

  /// What views have of the state tables now.
  package var states: ViewStates? { state.withLock { $0.views.states } }

  /// Prepares a migration of the tables in force to what `candidate` wants; nothing has changed
  /// yet.
  package func prepareMigration(
    _ changes: [Migration.Change], to candidate: Generation
  ) throws(Refusal) -> Migration {
    guard let states = states else {
      throw Refusal(.state, "the host has defined no state table")
    }
    return try Migration(changes, of: states, to: candidate)
  }

  /// Moves records to `goal`, one look after another, until all are there; returns how many are not
  /// at `deadline`.
  ///
  /// Hooks are called on this thread, under a guard of its own, or not at all: while there is no memory for that,
  /// nothing moves. Gives up at the first record whose
  /// way forward fails, when that way is closed (`Migration.halt`), and when `isOver` says so, which is asked
  /// between two looks. Blocks; no worker waits for it.
  package func sweep(
    _ migration: Migration, to goal: Migration.Goal, until deadline: Deadline,
    unless isOver: () -> Bool = { false }
  ) -> UInt64 {
    sweeping.withLock { seat in
      var pause: UInt64 = 10_000
      while true {
        let missing = sweep(migration, to: goal, until: deadline, at: &seat)
        let isHalted = goal == .candidate && migration.isHalted
        guard missing > 0, !isHalted, !deadline.hasPassed, !isOver() else { return missing }
        // A batch has what is missing: it takes some microseconds.
        sleepNanoseconds(min(pause, deadline.remaining))
        pause = min(pause * 2, 1_000_000)
      }
    }
  }

  /// One look; a hook that faulted without a seat would end the host.
  private func sweep(
    _ migration: Migration, to goal: Migration.Goal, until deadline: Deadline,
    at seat: inout SweepSeat?
  ) -> UInt64 {
    if seat == nil, let room { seat = SweepSeat(in: room) }
    guard room == nil || seat != nil else { return migration.missingCount(from: goal) }
    seat?.sit()
    defer { seat?.leave() }
    return migration.sweep(to: goal, seat: seat?.workerGuard, until: deadline)
  }

  /// Fills a record with zeros, wherever it lies; no worker may be using it.
  package func clearState(table: Int, record: UInt64) throws(Refusal) {
    // Under the lock, so that no view says meanwhile that records move.
    try state.withLock { (state) throws(Refusal) in
      guard let states = state.views.states, states.tables.indices.contains(table),
        record < states.tables[table].definition.count
      else { throw Refusal(.usage, "there is no record \(record) in a state table \(table)") }
      unsafe zeroState(states.table(table), record)
    }
  }

  /// Says what later views have of the state tables, where none could be made now.
  package func keep(_ states: ViewStates) { state.withLock { $0.views.states = states } }
}

extension SwapDomain {
  /// Fills all records of a table with zeros that is settled; no worker may be using one.
  package func clearStates(table: Int) {
    guard let table = states?.tables[table], table.move == nil else { return }
    table.areas[0].clear(count: table.definition.count)
  }
}

/// Where the thread sits that sweeps: a worker's record that is none of the domain's workers.
///
/// Threading: behind `SwapDomain.sweeping`.
@safe
final class SweepSeat: @unchecked Sendable {
  let workerGuard: WorkerGuard
  private let memory: UnsafeMutableRawPointer
  private let signal: Int32

  /// A seat under the guard of `room`; nil without memory.
  init?(in room: GuardRoom) {
    guard let memory = unsafe lineAlignedMemory(MemoryLayout<hitless_worker>.stride) else {
      return nil
    }
    let made = unsafe room.makeGuard(
      for: memory.bindMemory(to: hitless_worker.self, capacity: 1))
    guard let made else {
      unsafe free(memory)
      return nil
    }
    unsafe self.memory = memory
    signal = room.options.signal
    workerGuard = made
  }

  /// Prepares the calling thread for faults of hooks.
  func sit() { workerGuard.seat(name: "migration", signal: signal) }

  /// Gives the thread back what it had.
  func leave() { workerGuard.leave() }

  // The domain, which holds this, has ended the watchdog before, which reads it.
  deinit { unsafe free(memory) }
}
