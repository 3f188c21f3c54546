internal import CHitless
internal import Glibc
internal import Guard
internal import Refusal

/// The host's state tables as views have them.
///
/// Threading: immutable; views that point to `record` hold it.
@safe
package final class ViewStates: @unchecked Sendable {
  /// One table.
  struct Table {
    let definition: StateDefinition
    /// Where records may lie, by `HITLESS_RECORD_…`; one place while settled.
    let areas: [StateArea]
    /// What moves; nil while settled.
    let move: TableMove?
    let phase: Int32
  }

  let tables: [Table]
  let record: UnsafePointer<hitless_states>
  /// The generation whose hook views may call; stays as long as they do.
  let generation: Generation?
  private let memory: UnsafeMutableRawPointer

  init(_ tables: [Table], generation: Generation? = nil) throws(Refusal) {
    let head = 64
    let stride = unsafe MemoryLayout<hitless_state_table>.stride
    guard let memory = unsafe lineAlignedMemory(head + tables.count * stride) else {
      throw Refusal(.noSpace, "no memory to name \(tables.count) state tables")
    }
    let list = unsafe (memory + head).bindMemory(
      to: hitless_state_table.self, capacity: tables.count)
    for (index, table) in tables.enumerated() {
      unsafe (list + index).initialize(to: Self.record(of: table, generation))
    }
    let record = unsafe memory.bindMemory(to: hitless_states.self, capacity: 1)
    unsafe record.initialize(
      to: hitless_states(
        size: UInt32(MemoryLayout<hitless_states>.size), count: UInt32(tables.count), tables: list))
    unsafe self.record = UnsafePointer(record)
    unsafe self.memory = memory
    self.tables = tables
    self.generation = generation
  }

  deinit { unsafe free(memory) }

  private static func record(of table: Table, _ generation: Generation?) -> hitless_state_table {
    var record = unsafe hitless_state_table()
    unsafe record.size = UInt32(MemoryLayout<hitless_state_table>.size)
    unsafe record.phase = table.phase
    unsafe record.count = table.definition.count
    let areas = unsafe table.areas.map {
      unsafe hitless_state_area(
        records: $0.base, schema: $0.schema.id, record_size: $0.schema.size)
    }
    unsafe record.areas.0 = areas[0]
    if let move = table.move, table.phase != HITLESS_STATE_SETTLED, unsafe areas.count == 3 {
      unsafe record.areas.1 = areas[1]
      unsafe record.areas.2 = areas[2]
      unsafe record.marks = move.marks
      unsafe record.progress = move.progress
      unsafe record.migrate = move.hook
      unsafe record.generation = generation?.record
      unsafe record.settle = stateFinder
    }
    return unsafe record
  }

  /// The record of one table, as views have it.
  func table(_ number: Int) -> UnsafePointer<hitless_state_table> {
    unsafe record.pointee.tables + number
  }

  /// Where the records of a table lie while nothing moves; they are a worker's as soon as one runs.
  package func settledRecords(of table: Int) -> UnsafeMutableRawPointer {
    unsafe tables[table].areas[0].base
  }

  /// The schema that a table has while nothing moves.
  package var settledSchemas: [StateDefinition.Schema] { tables.map { $0.areas[0].schema } }
}
