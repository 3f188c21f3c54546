internal import Bytes

/// One series of counted packets, seen from the generator.
package struct ProbeStream: Sendable {
  private let kind: ProbeRecord.Stream
  /// Numbers of the UEs that send it, in turn.
  let flows: Range<Int>
  /// Packets handed to the kernel.
  private(set) var sent: UInt64 = 0
  /// What came back.
  private(set) var ledger: SequenceLedger
  /// Packets that came back after they had been given up.
  private var late: UInt64 = 0
  private var givenUp: UInt64 = 0
  private var stalls: UInt64 = 0

  /// Creates the series; `count` is how many packets it will have, if that is known.
  init(_ kind: ProbeRecord.Stream, flows: Range<Int>, count: UInt64?) {
    self.kind = kind
    self.flows = flows
    ledger = SequenceLedger(numbers: Int(clamping: count ?? 1 << 20), flows: flows.upperBound)
  }

  /// Packets sent that did not come back.
  var missing: UInt64 { sent - ledger.unique }

  /// Packets that are still waited for.
  var underWay: UInt64 { missing - min(missing, givenUp) }

  /// The record of the packet `ahead` places after the last one sent.
  func record(ahead: UInt64, run: UInt32, at time: UInt64) -> ProbeRecord {
    let number = sent + ahead
    let flow = flows.lowerBound + Int(number % UInt64(flows.count))
    return ProbeRecord(
      run: run, stream: kind, flow: UInt32(truncatingIfNeeded: flow), number: number, sentAt: time)
  }

  /// The next packet has been handed to the kernel.
  mutating func noteSent() { sent += 1 }

  /// A packet came back; false when it had come before.
  ///
  /// Its number must be below `sent`.
  mutating func noteArrival(_ record: ProbeRecord) -> Bool {
    let isNew = ledger.note(number: record.number, flow: record.flow)
    // Whichever it was of those given up, one fewer of them is missing.
    if isNew && givenUp > missing {
      givenUp -= 1
      late += 1
    }
    return isNew
  }

  /// Nothing has come back for too long: stop waiting for what is under way.
  mutating func giveUp() {
    guard underWay > 0 else { return }
    givenUp = missing
    stalls += 1
  }

  /// The series' counters.
  var json: JSON {
    .object([
      ("sent", .unsigned(sent)), ("received", .unsigned(ledger.unique)),
      ("missing", .unsigned(missing)), ("duplicated", .unsigned(ledger.duplicated)),
      ("reordered", .unsigned(ledger.reordered)), ("late", .unsigned(late)),
      ("stalls", .unsigned(stalls)),
    ])
  }
}
