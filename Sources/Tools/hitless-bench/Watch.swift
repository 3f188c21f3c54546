internal import CHitless
internal import CPathBench
internal import HotSwap
internal import Platform
internal import Refusal

/// The record of a watched worker.
///
/// Threading: the worker writes it; `add` is called after the worker was joined, everything else at any
/// time.
@safe
final class Watch: @unchecked Sendable {
  /// Width of the histogram's entries in nanoseconds, and how many there are.
  private static let step: UInt32 = 4
  private static let entries = 1 << 14

  private let record: UnsafeMutablePointer<path_watch>
  private let histogram: UnsafeMutablePointer<UInt64>
  private let fetching: UnsafeMutablePointer<UInt64>
  private let gaps: UnsafeMutablePointer<path_gap>
  private let history: UnsafeMutablePointer<path_interval>
  private let failure = Guarded<Refusal?>(nil)

  init(state: PathState, driver modules: PathModules, views: Int) {
    unsafe histogram = .allocate(capacity: Self.entries)
    unsafe histogram.initialize(repeating: 0, count: Self.entries)
    unsafe fetching = .allocate(capacity: Self.entries)
    unsafe fetching.initialize(repeating: 0, count: Self.entries)
    unsafe gaps = .allocate(capacity: views)
    unsafe gaps.initialize(repeating: path_gap(), count: views)
    unsafe history = .allocate(capacity: Int(PATH_HISTORY))
    unsafe history.initialize(repeating: path_interval(), count: Int(PATH_HISTORY))
    unsafe record = .allocate(capacity: 1)
    unsafe record.initialize(to: path_watch())
    unsafe record.pointee.state = state.pointer
    unsafe record.pointee.driver = modules.driver
    unsafe record.pointee.gaps = gaps
    unsafe record.pointee.gap_capacity = UInt64(views)
    unsafe record.pointee.history = history
    unsafe record.pointee.histogram = histogram
    unsafe record.pointee.fetching = fetching
    unsafe record.pointee.histogram_size = UInt32(Self.entries)
    unsafe record.pointee.histogram_step = Self.step
  }

  deinit {
    unsafe histogram.deallocate()
    unsafe fetching.deallocate()
    unsafe gaps.deallocate()
    unsafe history.deallocate()
    unsafe record.deallocate()
  }

  /// Batches so far.
  var batches: UInt64 { unsafe path_watch_batches(record) }

  /// How often the worker's thread was switched out, at its last look.
  var switches: UInt64 { unsafe path_watch_switches(record) }

  /// Looks at the worker's word for so long as if it waited for a grace period.
  func look(forNanoseconds time: UInt64) { unsafe path_watch_look(record, time) }

  /// Waits until the worker has passed so many more batches, without giving the processor away.
  func pass(_ batches: UInt64) { unsafe path_watch_pass(record, batches) }

  /// The batch in which `time` lies and the one after it, if the worker still remembers them.
  func batches(around time: UInt64) -> (first: path_interval, second: path_interval)? {
    var pair = (path_interval(), path_interval())
    let isFound = unsafe withUnsafeMutablePointer(to: &pair) { pointer in
      // SAFETY: a pair of one type lies in memory as an array of two.
      unsafe pointer.withMemoryRebound(to: path_interval.self, capacity: 2) {
        unsafe path_watch_around(record, time, $0) == 0
      }
    }
    return isFound ? (pair.0, pair.1) : nil
  }

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

  /// Adds what the worker has seen at the moments of `events`.
  func add(to figures: inout SwapFigures, _ events: [SwapEvent]) throws(Refusal) {
    try check()
    var views: [UInt64: path_interval] = [:]
    for index in 0..<Int(unsafe record.pointee.gap_count) {
      views[unsafe gaps[index].sequence] = unsafe gaps[index].time
    }
    let matching = SwapMatching(events, views: views)
    for event in events {
      figures.gaps[event.arm, default: SwapGaps()].add(event, matching.gap(event))
    }
    figures.entryNanoseconds = matching.entryNanoseconds
    figures.batches = batches
    figures.batchMedian = unsafe quantile(0.5, of: histogram)
    figures.batchP999 = unsafe quantile(0.999, of: histogram)
    figures.fetchingMedian = unsafe quantile(0.5, of: fetching)
    figures.fetchingP99 = unsafe quantile(0.99, of: fetching)
  }

  /// Time that `share` of the batches in `histogram`, all without a new view, do not exceed.
  private func quantile(_ share: Double, of histogram: UnsafePointer<UInt64>) -> Double {
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
