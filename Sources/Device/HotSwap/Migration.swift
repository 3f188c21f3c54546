internal import CHitless
internal import Guard
internal import Platform
internal import Refusal

/// The move of records from stable's schemas to a candidate's, or back, while both are being used.
///
/// Everything that any of its ends needs is there before it begins: to go back allocates nothing. What views
/// are to have of it, and when, is for the caller to publish:
/// `forward` with no share, a grace period, `forward` with a growing one; then either `sweepForward`,
/// `finishing`, a grace period, and `settledNew`; or `back`, a grace period, `sweepBack`, and `settledOld`.
///
/// Threading: any thread but a worker's; one sweep at a time.
package final class Migration: Sendable {
  /// One table that changes.
  package struct Change: Equatable, Sendable {
    /// Number of the table.
    package let table: Int
    /// What its records get.
    package let schema: StateDefinition.Schema
    /// Index of the candidate's module whose hook knows both.
    package let module: Int

    /// Creates a change.
    package init(table: Int, schema: StateDefinition.Schema, module: Int) {
      self.table = table
      self.schema = schema
      self.module = module
    }
  }

  /// Where records are to be.
  package enum Goal: Sendable {
    case candidate
    case stable
  }

  package let changes: [Change]
  package let forward: ViewStates
  package let finishing: ViewStates
  package let back: ViewStates
  package let settledOld: ViewStates
  package let settledNew: ViewStates

  init(
    _ changes: [Change], of current: ViewStates, to candidate: Generation
  ) throws(Refusal) {
    self.changes = changes
    var areas = current.tables.map(\.areas)
    var moves = [TableMove?](repeating: nil, count: areas.count)
    for change in changes {
      let table = current.tables[change.table].definition
      let module = candidate.modules[change.module]
      guard let hook = unsafe module.hooks.migrate else {
        throw Refusal(
          .notForTarget, "module '\(module.name)' cannot migrate the records of '\(table.name)'",
          at: "hitless_module.migrate")
      }
      let old = areas[change.table][0]
      areas[change.table] = [
        old, try StateArea(change.schema, count: table.count, of: table.name),
        try StateArea(old.schema, count: table.count, of: table.name),
      ]
      moves[change.table] = unsafe try TableMove(table, hook: hook)
    }
    func states(
      _ phase: Int, _ settled: Int = HITLESS_RECORD_OLD
    ) throws(Refusal) -> ViewStates {
      let isSettled = phase == HITLESS_STATE_SETTLED
      var tables: [ViewStates.Table] = []
      for (index, table) in current.tables.enumerated() {
        guard let move = moves[index] else {
          tables.append(table)
          continue
        }
        tables.append(
          ViewStates.Table(
            definition: table.definition,
            areas: isSettled ? [areas[index][settled]] : areas[index],
            move: isSettled ? nil : move, phase: Int32(phase)))
      }
      return try ViewStates(tables, generation: isSettled ? nil : candidate)
    }
    forward = try states(HITLESS_STATE_FORWARD)
    finishing = try states(HITLESS_STATE_FINISHING)
    back = try states(HITLESS_STATE_BACK)
    settledOld = try states(HITLESS_STATE_SETTLED)
    settledNew = try states(HITLESS_STATE_SETTLED, HITLESS_RECORD_NEW)
  }
}

extension Migration {
  /// How many records the tables have that change.
  package var recordCount: UInt64 {
    changes.reduce(0) { $0 + forward.tables[$1.table].definition.count }
  }

  /// What has become of them so far.
  package var counts: MigrationCounts {
    moves.reduce(MigrationCounts()) { $0 + $1.counts }
  }

  /// The first record that could not be moved forward, and the name of its table.
  package var failure: (table: String, MigrationFailure)? {
    for change in changes {
      let table = forward.tables[change.table]
      if let failure = table.move?.failure { return (table.definition.name, failure) }
    }
    return nil
  }

  /// How many records are not at `goal`, or on their way from there.
  package func missingCount(from goal: Goal) -> UInt64 {
    let place = goal == .candidate ? HITLESS_RECORD_NEW : HITLESS_RECORD_OLD
    return changes.reduce(0) { sum, change in
      unsafe sum + countStates(forward.table(change.table), notAt: UInt32(place))
    }
  }

  /// Lets no more records go forward, and ends a sweep that moves them.
  package func halt() { for move in moves { move.halt() } }

  /// Takes `halt` back, when nothing has come of what it was for; a failure stays one.
  package func resume() { for move in moves { move.resume() } }

  /// Whether none goes forward any more, because one has failed or somebody wants it so.
  package var isHalted: Bool { moves.contains { $0.isHalted } }

  private var moves: [TableMove] { changes.compactMap { forward.tables[$0.table].move } }

  /// Moves what no batch is using at the moment to `goal`; returns how many records are not there yet.
  ///
  /// Takes as long as it takes, at most until `deadline`. `seat` is where the calling thread's faults are caught.
  func sweep(to goal: Goal, seat: WorkerGuard?, until deadline: Deadline) -> UInt64 {
    let states = goal == .candidate ? forward : back
    let place = goal == .candidate ? HITLESS_RECORD_NEW : HITLESS_RECORD_OLD
    var missing: UInt64 = 0
    // What is left when it ends early: also of tables that it has not come to.
    var left = recordCount
    for change in changes {
      let count = states.tables[change.table].definition.count
      let table = unsafe states.table(change.table)
      var first: UInt64 = 0
      while first < count {
        let end = min(first + Self.stretch, count)
        missing += unsafe sweepStates(table, first..<end, to: UInt32(place), seat: seat)
        left -= end - first
        first = end
        if goal == .candidate, isHalted { return missing + left }
        if deadline.hasPassed { return missing + left }
      }
    }
    return missing
  }

  /// Records between two looks at the clock.
  private static let stretch: UInt64 = 1024
}
