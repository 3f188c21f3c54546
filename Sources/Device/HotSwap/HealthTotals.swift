internal import CHitless
internal import Glibc
internal import Platform
internal import Synchronization

/// What all workers of a domain have counted and measured so far, of both sides.
package struct HealthTotals: Equatable, Sendable {
  /// Stable's figures or the candidate's.
  package enum Side: Int, CaseIterable, Sendable {
    case stable = 0
    case candidate = 1
  }

  /// Signals there may be, with the packets at 0.
  package static let signalLimit = Int(HITLESS_SIGNALS)
  /// Histogram of the times of whole batches.
  package static let batchHistogram = 0
  /// Slots whose time is measured.
  package static let timedSlots = Int(HITLESS_TIMED_SLOTS)

  /// `HITLESS_HISTOGRAMS`, which Swift does not import.
  fileprivate static let histogramCount = 1 + timedSlots + signalLimit

  /// The histogram of a slot's times.
  package static func histogram(ofSlot slot: Int) -> Int { 1 + slot }
  /// The histogram of a gauge.
  package static func histogram(ofSignal signal: Int) -> Int { 1 + timedSlots + signal }

  /// By side and signal.
  package fileprivate(set) var counts = Array(
    repeating: [UInt64](repeating: 0, count: signalLimit), count: 2)
  /// By side; of the histograms that were asked for, bucket by bucket, modulo 2^32.
  package fileprivate(set) var cells: [[Int: [UInt32]]] = [[:], [:]]

  /// Totals of nothing.
  package init() {}

  /// What has come since `earlier`.
  package func since(_ earlier: HealthTotals) -> HealthTotals {
    var change = self
    for side in 0..<2 {
      for signal in 0..<Self.signalLimit {
        change.counts[side][signal] &-= earlier.counts[side][signal]
      }
      for (number, before) in earlier.cells[side] {
        guard var now = change.cells[side][number] else { continue }
        for bucket in now.indices { now[bucket] &-= before[bucket] }
        change.cells[side][number] = now
      }
    }
    return change
  }
}

extension SwapDomain {
  /// Adds up what workers have counted, those that have gone included; `histograms` says which of them.
  ///
  /// Complexity: O(workers × histograms). Never blocks for long.
  package func healthTotals(histograms: [Int]) -> HealthTotals {
    let records = state.withLock { $0.workers + $0.orphans + $0.vacant }
    var totals = HealthTotals()
    for side in 0..<2 {
      for number in histograms {
        totals.cells[side][number] = [UInt32](repeating: 0, count: Int(HITLESS_BUCKETS))
      }
    }
    for record in records { record.addHealth(to: &totals) }
    return totals
  }

  /// The processor's cycle counter, as workers read it.
  package static var ticks: UInt64 { hitless_ticks() }
}

extension WorkerRecord {
  /// Memory for one worker's figures, of which the kernel gives only what is used; nil when there is none.
  static func makeHealth(seed: UInt32) -> UnsafeMutablePointer<hitless_health>? {
    guard let memory = unsafe calloc(1, MemoryLayout<hitless_health>.size) else { return nil }
    let health = unsafe memory.bindMemory(to: hitless_health.self, capacity: 1)
    unsafe health.pointee.size = UInt32(truncatingIfNeeded: MemoryLayout<hitless_health>.size)
    unsafe health.pointee.random = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1
    return unsafe health
  }

  /// Adds what this worker has counted.
  ///
  /// Ordering: relaxed, like the worker's stores. No reading is of one moment; a batch that is half in it is noise
  /// beside the thousands that decide. Counts are read before the packets they are measured against.
  fileprivate func addHealth(to totals: inout HealthTotals) {
    guard let health = unsafe pointer.pointee.health else { return }
    let base = UnsafeMutableRawPointer(health)
    let width = HealthTotals.signalLimit
    // SAFETY: layout.c asserts where both arrays begin; an atomic word has the layout of the word.
    let counts = unsafe (base + 64).assumingMemoryBound(to: Atomic<UInt64>.self)
    let cells = unsafe (base + 64 + 16 * width).assumingMemoryBound(to: Atomic<UInt32>.self)
    for side in 0..<2 {
      for signal in (0..<width).reversed() {
        totals.counts[side][signal] &+= unsafe counts[side * width + signal].load(
          ordering: .relaxed)
      }
      for (number, before) in totals.cells[side] {
        let first = (side * HealthTotals.histogramCount + number) * Int(HITLESS_BUCKETS)
        var sum = before
        for bucket in sum.indices {
          sum[bucket] &+= unsafe cells[first + bucket].load(ordering: .relaxed)
        }
        totals.cells[side][number] = sum
      }
    }
  }
}
