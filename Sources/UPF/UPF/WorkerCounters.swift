internal import CHitless
internal import Refusal
internal import Synchronization

/// Where a worker's counters lie among its cells.
enum CounterIndex {
  static let receivedN3 = 0
  static let receivedN6 = 2
  static let takenOver = 4
  static let sentN3 = 6
  static let sentN6 = 8
  static let echoResponsesSent = 10
  static let errorIndicationsSent = 11
  static let errorIndicationsSuppressed = 12
  static let headerNoticesSent = 13
  static let headerNoticesSuppressed = 14
  static let repliesFailed = 15
  static let batches = 16
  static let invalidUpdates = 17
  /// Packets and bytes by fate.
  static let fates = 32
  /// Mark plus one and packets, in the order in which marks were first seen.
  static let marks = fates + 2 * PacketFate.limit
  static let markLimit = 64
  /// Packets and batches by slot and module ordinal.
  static let builds = marks + 2 * markLimit
  static let buildLimit = 64
  /// Batches by time.
  static let latency = builds + 2 * ModuleSlot.count * buildLimit
  static let count = latency + LatencyHistogram.bucketCount
}

/// The slots of the pipeline that modules fill.
package enum ModuleSlot: Int, CaseIterable, Sendable {
  /// Finds the packet detection rule.
  case classify = 0
  /// Enforces quality of service.
  case qer = 1

  static let count = 2

  /// The slot's name.
  package var name: String {
    switch self {
    case .classify: "classify"
    case .qer: "qer"
    }
  }
}

/// What one worker counts, settled once per batch so that every reading is exact.
///
/// Threading: the worker calls `settle` and what may only be called inside it; one reader at a time,
/// on any other thread, calls `snapshot`.
///
/// Ordering: a sequence number is odd while a batch settles. Counters are stored with release, so the
/// odd number is visible before any of them; they are loaded with acquire, so a reader who saw one of
/// them sees the odd number, or a later one, when it looks again. A reader who never finds a quiet
/// moment asks for a copy, which the worker makes between two batches.
@safe
final class WorkerCounters: @unchecked Sendable {
  private static let sequence = 0
  private static let request = 8
  private static let published = 16
  private static let live = 64
  private static let copy = live + (CounterIndex.count + 7) / 8 * 8
  private static let wordCount = copy + CounterIndex.count
  private static let identities = ModuleSlot.count * CounterIndex.buildLimit

  private let memory: ZeroedMemory
  private let identityMemory: ZeroedMemory
  private let control: Cells
  /// The counters themselves.
  let cells: Cells
  private let copied: Cells
  private let identities: UnsafeMutablePointer<hitless_module_info>

  init() throws(Refusal) {
    memory = try ZeroedMemory(count: Self.wordCount, stride: 8)
    identityMemory = try ZeroedMemory(
      count: Self.identities, stride: MemoryLayout<hitless_module_info>.stride)
    unsafe control = Cells(memory.base)
    unsafe cells = control.advanced(by: Self.live)
    unsafe copied = control.advanced(by: Self.copy)
    unsafe identities = identityMemory.records()
  }

  // MARK: The worker's side

  /// Runs `body`, the only place where counters change, as one step for every reader.
  @inline(__always)
  func settle(_ body: () -> Void) {
    let sequence = unsafe control.load(Self.sequence)
    unsafe control.set(sequence &+ 1, at: Self.sequence)
    body()
    unsafe control.set(sequence &+ 2, at: Self.sequence)
    let ticket = unsafe control.load(Self.request)
    if unsafe ticket != control.load(Self.published) { publishCopy(ticket) }
  }

  private func publishCopy(_ ticket: UInt64) {
    for index in 0..<CounterIndex.count {
      unsafe copied.set(cells.load(index), at: index)
    }
    unsafe control.set(ticket, at: Self.published)
  }

  /// Remembers which build an ordinal stands for; the first packet counted under it makes it readable.
  func identify(_ slot: ModuleSlot, index: Int, as module: UnsafePointer<hitless_module_info>) {
    unsafe identities[slot.rawValue * CounterIndex.buildLimit + index] = module.pointee
  }

  // MARK: The reader's side

  /// Returns the counters as they were between two batches.
  func snapshot() -> WorkerStatistics {
    let quietAttempts = 64
    for _ in 0..<quietAttempts {
      if let values = quietValues() { return statistics(values) }
    }
    let ticket = unsafe control.load(Self.published) &+ 1
    unsafe control.set(ticket, at: Self.request)
    while true {
      if unsafe control.load(Self.published) == ticket {
        return statistics((0..<CounterIndex.count).map { index in unsafe copied.load(index) })
      }
      // The worker may have gone to sleep instead.
      if let values = quietValues() { return statistics(values) }
    }
  }

  /// Loads `count` cells at once, however the owner is getting on with its batches.
  func consistently(_ cells: Cells, count: Int) -> [UInt64] {
    while true {
      let before = unsafe control.load(Self.sequence)
      let values = (0..<count).map { index in unsafe cells.load(index) }
      if before.isMultiple(of: 2), unsafe control.load(Self.sequence) == before { return values }
    }
  }

  private func quietValues() -> [UInt64]? {
    let before = unsafe control.load(Self.sequence)
    guard before.isMultiple(of: 2) else { return nil }
    let values = (0..<CounterIndex.count).map { index in unsafe cells.load(index) }
    return unsafe control.load(Self.sequence) == before ? values : nil
  }

  private func statistics(_ values: [UInt64]) -> WorkerStatistics {
    var statistics = WorkerStatistics(values)
    for slot in ModuleSlot.allCases {
      for index in 0..<CounterIndex.buildLimit {
        let place = slot.rawValue * CounterIndex.buildLimit + index
        let packets = values[CounterIndex.builds + 2 * place]
        guard packets > 0 else { continue }
        // SAFETY: written before the first packet was counted, and never again.
        statistics.builds.append(
          BuildStatistics(
            slot: slot, module: unsafe identities[place], packets: packets,
            batches: values[CounterIndex.builds + 2 * place + 1]))
      }
    }
    return statistics
  }
}
