internal import CHitless
internal import Platform
internal import Synchronization

/// Where one worker is, at one moment.
package struct WorkerPosition: Equatable, Sendable {
  /// Small and dense; given to another worker when this one has gone.
  package let index: UInt32
  /// The name it was registered with.
  package let name: String
  /// Sequence of the last view that it has reported; nil while it uses none.
  package let seen: UInt64?
  /// Batches that were run under the guard, since the record exists.
  package let guardedBatches: UInt64
}

extension SwapDomain {
  /// Where every worker is; does not wait.
  ///
  /// Ordering: `guarded` relaxed: it is counted, not acted on.
  package func positions() -> [WorkerPosition] {
    state.withLock { $0.workers }.map { record in
      let seen = record.lastSeen
      // SAFETY: the header fixes the offset, and an atomic word has the layout of the word.
      let mark = unsafe (UnsafeMutableRawPointer(record.pointer) + 160)
        .assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
      return WorkerPosition(
        index: unsafe record.pointer.pointee.index, name: record.name,
        seen: seen == idleSequence ? nil : seen, guardedBatches: mark / 2)
    }
  }
}
