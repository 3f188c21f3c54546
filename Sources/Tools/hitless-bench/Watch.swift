internal import CHitless
internal import CPathBench
internal import HotSwap
internal import Platform
internal import Refusal

/// The record of a watched worker.
///
/// Threading: the worker writes it; others call `batches`, `check` and `stop`, and the rest after the
/// worker was joined.
@safe
final class Watch: @unchecked Sendable {
  /// Width of the histogram's entries in nanoseconds, and how many there are.
  private static let step: UInt32 = 4
  private static let entries = 1 << 14

  private let record: UnsafeMutablePointer<path_watch>
  private let histogram: UnsafeMutablePointer<UInt64>
  private let gaps: UnsafeMutablePointer<path_gap>
  private let failure = Guarded<Refusal?>(nil)

  init(state: PathState, driver modules: PathModules, swaps: Int) {
    unsafe histogram = .allocate(capacity: Self.entries)
    unsafe histogram.initialize(repeating: 0, count: Self.entries)
    unsafe gaps = .allocate(capacity: swaps)
    unsafe gaps.initialize(repeating: path_gap(), count: swaps)
    unsafe record = .allocate(capacity: 1)
    unsafe record.initialize(to: path_watch())
    unsafe record.pointee.state = state.pointer
    unsafe record.pointee.driver = modules.driver
    unsafe record.pointee.gaps = gaps
    unsafe record.pointee.gap_capacity = UInt64(swaps)
    unsafe record.pointee.histogram = histogram
    unsafe record.pointee.histogram_size = UInt32(Self.entries)
    unsafe record.pointee.histogram_step = Self.step
  }

  deinit {
    unsafe histogram.deallocate()
    unsafe gaps.deallocate()
    unsafe record.deallocate()
  }

  /// Batches so far.
  var batches: UInt64 { unsafe path_watch_batches(record) }

  /// Runs the worker on the calling thread until `stop`.
  func run(in domain: SwapDomain, onProcessor processor: Int32) {
    do throws(Refusal) {
      try pin(to: processor)
      let worker = try unsafe domain.registerWorker(name: "bench-worker")
      unsafe record.pointee.worker = worker
      unsafe path_watch_run(record)
      unsafe try domain.unregisterWorker(worker)
    } catch {
      failure.withLock { $0 = error }
    }
  }

  /// Throws what has kept the worker from running.
  func check() throws(Refusal) {
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  /// Ends the worker after its batch.
  func stop() { unsafe path_watch_stop(record) }

  /// Adds what the worker has seen.
  func add(to figures: inout SwapFigures) throws(Refusal) {
    try check()
    for index in 0..<Int(unsafe record.pointee.gap_count) {
      let gap = unsafe gaps[index]
      // The first is the view that the worker started with.
      if index == 0 { continue }
      if gap.is_clean == 1 {
        figures.gaps.append(Double(gap.nanoseconds))
      } else {
        figures.excluded += 1
      }
    }
    figures.batches = batches
    figures.batchMedian = quantile(0.5)
    figures.batchP999 = quantile(0.999)
  }

  /// Time that `share` of the batches without a swap do not exceed.
  private func quantile(_ share: Double) -> Double {
    let counts = unsafe UnsafeBufferPointer(start: histogram, count: Self.entries)
    let total = unsafe counts.reduce(0, +)
    var seen: UInt64 = 0
    for index in 0..<Self.entries {
      seen += unsafe counts[index]
      if Double(seen) >= share * Double(total) { return (Double(index) + 0.5) * Double(Self.step) }
    }
    return .nan
  }
}
