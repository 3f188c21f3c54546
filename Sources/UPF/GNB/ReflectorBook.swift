package import Bytes

/// What a reflector has received, run by run.
package struct ReflectorBook: Sendable {
  /// Runs that are kept apart; a sender of nonsense cannot make this grow without end.
  package static let runLimit = 64

  private struct Run: Sendable {
    let number: UInt32
    var ledgers: [SequenceLedger]
  }

  private var runs: [Run] = []
  /// The run of the last packet: nearly always that of the next.
  private var current = 0
  /// Packets received, and their bytes.
  package private(set) var received: UInt64 = 0
  package private(set) var receivedBytes: UInt64 = 0
  /// Packets that are no records, or of a run beyond the limit.
  package private(set) var foreign: UInt64 = 0
  /// Records whose bytes were changed on the way.
  package private(set) var corrupt: UInt64 = 0
  /// Records that had been returned before.
  package private(set) var looped: UInt64 = 0
  /// Packets sent back.
  package var returned: UInt64 = 0
  /// Packets that the kernel did not take back.
  package var returnFailed: UInt64 = 0

  /// Starts empty.
  package init() {}

  /// A packet of `count` bytes came.
  package mutating func noteArrival(bytes count: Int) {
    received += 1
    receivedBytes += UInt64(count)
  }

  /// It was not a record as the generator makes them.
  package mutating func note(_ fault: ProbeRecord.Fault) {
    switch fault {
    case .foreign: foreign += 1
    case .corrupt: corrupt += 1
    }
  }

  /// It was this record; true when it is to be sent back.
  ///
  /// A duplicate is sent back too, so that the generator counts the same as this end.
  package mutating func note(_ record: ProbeRecord) -> Bool {
    guard !record.isReturned else {
      looped += 1
      return false
    }
    guard let index = index(of: record.run) else {
      foreign += 1
      return false
    }
    _ = runs[index].ledgers[Int(record.stream.rawValue)].note(
      number: record.number, flow: record.flow)
    return true
  }

  /// The counters under stable names; `kernelDrops` is asked of the socket at the same moment.
  package func json(kernelDrops: UInt64) -> JSON {
    .object([
      ("mode", .string("reflect")), ("received", .unsigned(received)),
      ("received_bytes", .unsigned(receivedBytes)), ("returned", .unsigned(returned)),
      ("return_failed", .unsigned(returnFailed)), ("foreign", .unsigned(foreign)),
      ("corrupt", .unsigned(corrupt)), ("looped", .unsigned(looped)),
      ("kernel_drops", .unsigned(kernelDrops)), ("runs", .array(runs.map(Self.json))),
    ])
  }

  private mutating func index(of number: UInt32) -> Int? {
    if current < runs.count && runs[current].number == number { return current }
    if let known = runs.firstIndex(where: { $0.number == number }) {
      current = known
      return known
    }
    guard runs.count < Self.runLimit else { return nil }
    let ledgers = ProbeRecord.Stream.allCases.map { _ in SequenceLedger() }
    runs.append(Run(number: number, ledgers: ledgers))
    current = runs.count - 1
    return current
  }

  private static func json(_ run: Run) -> JSON {
    func entry(_ stream: ProbeRecord.Stream) -> JSON {
      let ledger = run.ledgers[Int(stream.rawValue)]
      return .object([
        ("received", .unsigned(ledger.unique)), ("duplicated", .unsigned(ledger.duplicated)),
        ("reordered", .unsigned(ledger.reordered)),
      ])
    }
    return .object([
      ("run", .integer(Int64(run.number))), ("windowed", entry(.windowed)), ("free", entry(.free)),
    ])
  }
}
