internal import CGuard
package import CHitless

/// Finds a record for a worker's batch while records are moving: `hitless_state_table.settle`.
package let stateFinder: hitless_state_settle = { worker, view, table, record, isCandidates in
  guard let worker = unsafe worker, let view = unsafe view, let table = unsafe table else {
    return UInt32(HITLESS_RECORD_NOWHERE)
  }
  return unsafe hitless_state_find(worker, view, table, record, isCandidates)
}

/// Moves those of `range` to `goal` that no batch uses; returns how many are not there yet.
///
/// Faults and loops of the hook end its call only, when `seat` is a guard in which the calling
/// thread sits. One thread at a time, and not a worker's.
package func sweepStates(
  _ table: UnsafePointer<hitless_state_table>, _ range: Range<UInt64>, to goal: UInt32,
  seat: WorkerGuard?
) -> UInt64 {
  unsafe hitless_state_sweep(
    seat?.record, table, range.lowerBound, UInt64(range.count), goal)
}

/// How many records do not lie at `place`, or are being moved away from there.
package func countStates(
  _ table: UnsafePointer<hitless_state_table>, notAt place: UInt32
) -> UInt64 {
  unsafe hitless_state_count(table, place)
}

/// Fills a record with zeros, wherever it lies.
package func zeroState(_ table: UnsafePointer<hitless_state_table>, _ record: UInt64) {
  unsafe hitless_state_zero(table, record)
}
