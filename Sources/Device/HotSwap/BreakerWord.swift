package import CHitless
internal import Synchronization

/// The line that tells every worker, before each batch, whether a candidate may be used.
///
/// Threading: any. Workers set `open` when the candidate has faulted on them, the agent both bits; the record
/// lives as long as its generation.
///
/// Ordering: relaxed but for `isOpen`. The bits choose between two generations that the worker has both of; nothing
/// else is read because of them, but for the report of the fault that has opened it (docs/concurrency.md).
@safe
package struct BreakerWord: @unchecked Sendable {
  /// The record, as views name it.
  package let record: UnsafeMutablePointer<hitless_breaker>

  /// A closed breaker in zeroed memory of a cache line.
  init(at memory: UnsafeMutableRawPointer) {
    unsafe record = memory.bindMemory(to: hitless_breaker.self, capacity: 1)
  }

  /// Whether no batch is admitted.
  ///
  /// Ordering: acquire; pairs with the release of a worker that has failed. Its report, if it had room for one, is
  /// found from here on: without that the agent would take the fault for one without a report, and count it twice.
  package var isOpen: Bool {
    unsafe bits.pointee.load(ordering: .acquiring) & UInt64(HITLESS_BREAKER_OPEN) != 0
  }

  /// Whether only a few batches are admitted.
  package var isHalfOpen: Bool {
    unsafe bits.pointee.load(ordering: .relaxed) & UInt64(HITLESS_BREAKER_HALF_OPEN) != 0
  }

  /// Batches that came to their end while it was half-open.
  package var successes: UInt64 { unsafe count.pointee.load(ordering: .relaxed) }

  /// Admits no batch any more.
  package func open() {
    unsafe bits.pointee.bitwiseOr(UInt64(HITLESS_BREAKER_OPEN), ordering: .relaxed)
  }

  /// Admits every batch.
  package func close() { unsafe bits.pointee.store(0, ordering: .relaxed) }

  /// Admits every batch after a trial; false when a worker has just failed.
  package func closeAfterTrial() -> Bool {
    unsafe bits.pointee.compareExchange(
      expected: UInt64(HITLESS_BREAKER_HALF_OPEN), desired: 0, ordering: .relaxed
    ).exchanged
  }

  /// Admits `batches` more, and none after them until it is closed.
  package func halfOpen(batches: Int64) {
    unsafe count.pointee.store(0, ordering: .relaxed)
    unsafe tokens.pointee.store(batches, ordering: .relaxed)
    unsafe bits.pointee.store(UInt64(HITLESS_BREAKER_HALF_OPEN), ordering: .relaxed)
  }

  private var bits: UnsafeMutablePointer<Atomic<UInt64>> { unsafe word(0) }
  private var count: UnsafeMutablePointer<Atomic<UInt64>> { unsafe word(16) }

  private var tokens: UnsafeMutablePointer<Atomic<Int64>> {
    // SAFETY: as `word`.
    unsafe (UnsafeMutableRawPointer(record) + 8).assumingMemoryBound(to: Atomic<Int64>.self)
  }

  private func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    // SAFETY: layout.c asserts the offsets, and an atomic word has the layout of the word.
    unsafe (UnsafeMutableRawPointer(record) + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}
