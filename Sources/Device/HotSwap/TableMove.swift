internal import CHitless
internal import Glibc
internal import Refusal
internal import Synchronization

/// The marks of one table's records while they move, and what has come of it.
///
/// Threading: workers and whoever sweeps write to the marks and the counters, as migrate.c says.
@safe
final class TableMove: @unchecked Sendable {
  let marks: UnsafeMutablePointer<UInt32>
  let progress: UnsafeMutablePointer<hitless_state_progress>
  let hook: ModuleHooks.Migrate
  private let markArea: StateArea
  private let memory: UnsafeMutableRawPointer

  init(_ table: StateDefinition, hook: @escaping ModuleHooks.Migrate) throws(Refusal) {
    markArea = try StateArea(.init(id: 0, size: 4), count: table.count, of: table.name)
    guard
      let memory = unsafe lineAlignedMemory(MemoryLayout<hitless_state_progress>.stride)
    else { throw Refusal(.noSpace, "no memory to move the records of '\(table.name)'") }
    unsafe self.memory = memory
    unsafe marks = markArea.base.bindMemory(to: UInt32.self, capacity: Int(table.count))
    unsafe progress = memory.bindMemory(to: hitless_state_progress.self, capacity: 1)
    unsafe self.hook = hook
  }

  deinit { unsafe free(memory) }

  private func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    // SAFETY: the header fixes the order of the fields, and an atomic word has the layout of the word.
    unsafe (memory + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  private func half(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    // SAFETY: as above; layout.c asserts the offsets.
    unsafe (memory + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  /// Figures for people.
  ///
  /// Ordering: relaxed; they order nothing.
  var counts: MigrationCounts {
    MigrationCounts(
      forward: unsafe word(0).pointee.load(ordering: .relaxed),
      back: unsafe word(8).pointee.load(ordering: .relaxed),
      kept: unsafe word(16).pointee.load(ordering: .relaxed),
      failures: unsafe word(24).pointee.load(ordering: .relaxed))
  }

  /// Lets no more records go forward.
  ///
  /// Ordering: relaxed; a record that goes all the same comes back with the others.
  func halt() {
    _ = unsafe half(32).pointee.compareExchange(
      expected: 0, desired: Self.haltedByAgent, ordering: .relaxed)
  }

  /// Takes `halt` back; what a failure has ended stays so.
  ///
  /// Ordering: relaxed; as above. A worker that reads too old a value leaves its record where it is.
  func resume() {
    _ = unsafe half(32).pointee.compareExchange(
      expected: Self.haltedByAgent, desired: 0, ordering: .relaxed)
  }

  /// A failure of a hook writes 1.
  private static let haltedByAgent: UInt32 = 2

  /// Whether no more records go forward.
  ///
  /// Ordering: relaxed; as above.
  var isHalted: Bool { unsafe half(32).pointee.load(ordering: .relaxed) != 0 }

  /// The first failure on the way forward.
  ///
  /// Ordering: acquire; pairs with the release of who has written it down.
  var failure: MigrationFailure? {
    guard unsafe half(36).pointee.load(ordering: .acquiring) == 2 else { return nil }
    return unsafe MigrationFailure(
      record: progress.pointee.failed_record, status: progress.pointee.failed_status,
      signal: progress.pointee.failed_signal, instruction: progress.pointee.failed_instruction)
  }
}

/// What has become of the records of a migration.
package struct MigrationCounts: Equatable, Sendable {
  /// Records that were moved to the candidate's schema, and back from it.
  package var forward: UInt64 = 0
  package var back: UInt64 = 0
  /// Records whose way back has failed: they are as they were before the candidate had them.
  package var kept: UInt64 = 0
  /// Calls of the hook that have failed on the way forward.
  package var failures: UInt64 = 0

  /// Of nothing yet, unless it is said.
  package init(forward: UInt64 = 0, back: UInt64 = 0, kept: UInt64 = 0, failures: UInt64 = 0) {
    self.forward = forward
    self.back = back
    self.kept = kept
    self.failures = failures
  }

  /// The sum of two tables.
  package static func + (left: Self, right: Self) -> Self {
    Self(
      forward: left.forward + right.forward, back: left.back + right.back,
      kept: left.kept + right.kept, failures: left.failures + right.failures)
  }
}

/// The first record that could not be moved forward.
package struct MigrationFailure: Equatable, Sendable {
  /// Its number.
  package let record: UInt64
  /// What the hook has returned; 0 when a signal has ended it.
  package let status: Int32
  /// The signal that has ended it, -1 when it is not known which, or 0.
  package let signal: Int32
  /// Where that was.
  package let instruction: UInt64
}
