internal import CUPF
internal import Refusal

/// What is in force, in numbers.
package struct TableSummary: Equatable, Sendable {
  /// Rises with every reload.
  package let sequence: UInt64
  /// Sessions in force.
  package let sessions: Int
  /// Entries of the PDR table: a PDR with two UE addresses has two.
  package let pdrs: Int
  /// SDF filters.
  package let filters: Int
  /// FARs.
  package let fars: Int
  /// QERs.
  package let qers: Int
  /// URRs.
  package let urrs: Int
  /// Old tables that a worker has not let go of.
  package let overdue: Int

  init(sequence: UInt64, counts: RuleTables.Counts, overdue: Int) {
    self.sequence = sequence
    sessions = counts.sessions
    pdrs = counts.pdrs
    filters = counts.filters
    fars = counts.fars
    qers = counts.qers
    urrs = counts.urrs
    self.overdue = overdue
  }
}

/// The control side's view of rules and records: what is in force, and what waits to be unused.
struct RuleControl: Sendable {
  /// Tables that were replaced, and the records that only they named.
  struct Retired: Sendable {
    let tables: RuleTables
    let sessions: [UInt32]
    let qers: [UInt32]
    let urrs: [UInt32]
  }

  /// The URRs of a row of sessions.
  private struct Row: Sendable {
    let seid: UInt64
    let urrs: [UInt32]
  }

  private var rows: [Row]
  private let limits: RuleLimits
  private let n3Address: UInt32
  private(set) var slots: SlotMap
  private(set) var tables: RuleTables
  private var sequence: UInt64 = 1
  private var retired: [(before: UInt64, what: Retired)] = []
  /// Cells of sessions that are gone, added up, so that sums over sessions never shrink.
  private(set) var formerSessions = [UInt64](repeating: 0, count: SessionRecord.cellCount)
  private(set) var formerUsage = [UInt64](repeating: 0, count: UsageRecord.cellCount)

  init(
    limits: RuleLimits, n3Address: UInt32, state: StateStore, sessions: [SessionSpecification]
  ) throws(Refusal) {
    self.limits = limits
    self.n3Address = n3Address
    slots = SlotMap(limits: limits)
    let rules = try CompiledRules(
      sessions, n3Address: n3Address, limits: limits, slots: &slots)
    tables = try unsafe RuleTables(rules, sequence: 1, buckets: state.buckets)
    rows = Self.rows(sessions)
  }

  private static func rows(_ sessions: [SessionSpecification]) -> [Row] {
    sessions.map { Row(seid: $0.seid, urrs: $0.urrs.map(\.id).sorted()) }
      .sorted { $0.seid < $1.seid }
  }

  /// The identifiers of a session's URRs, sorted; of one that is in force.
  ///
  /// - Complexity: O(log n) in the number of rows.
  func urrIDs(of seid: UInt64) -> [UInt32] {
    var (low, high) = (0, rows.count)
    while low < high {
      let middle = (low + high) / 2
      if rows[middle].seid <= seid { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? rows[low - 1].urrs : []
  }

  var summary: TableSummary {
    TableSummary(sequence: sequence, counts: tables.counts, overdue: retired.count)
  }

  /// Compiles `sessions` and makes them what is to be published; returns what they replace.
  mutating func replace(
    _ sessions: [SessionSpecification], state: StateStore
  ) throws(Refusal) -> Retired {
    var slots = slots
    let rules = try CompiledRules(
      sessions, n3Address: n3Address, limits: limits, slots: &slots)
    let old = tables
    tables = try unsafe RuleTables(rules, sequence: sequence + 1, buckets: state.buckets)
    rows = Self.rows(sessions)
    sequence += 1
    let unused = Retired(
      tables: old, sessions: slots.sessions.unused().map(\.number),
      qers: slots.qers.unused().map(\.number), urrs: slots.urrs.unused().map(\.number))
    self.slots = slots
    return unused
  }

  /// Notes that the tables in force have just replaced `old`.
  mutating func retire(_ old: Retired) { retired.append((sequence, old)) }

  /// Takes back whatever no worker can use any more; true when nothing is left to wait for.
  mutating func release(
    state: StateStore, publisher: TablePublisher, workers: [Worker]
  ) -> Bool {
    while let first = retired.first, publisher.isUnused(before: first.before) {
      let retired = self.retired.removeFirst().what
      for session in retired.sessions {
        let cells = workers[Int(session) % workers.count].sessionCells(session)
        for index in cells.indices { formerSessions[index] &+= cells[index] }
        state.resetSession(session)
        slots.sessions.release(session)
      }
      for usage in retired.urrs {
        for index in 0..<UsageRecord.cellCount {
          unsafe formerUsage[index] &+= state.usage(usage).load(index)
        }
        state.resetUsage(usage)
        slots.urrs.release(usage)
      }
      for qer in retired.qers {
        state.resetBuckets(ofQER: qer)
        slots.qers.release(qer)
      }
    }
    return retired.isEmpty
  }
}
