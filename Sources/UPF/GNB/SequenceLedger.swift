/// Which numbers of one series have come, exactly: one bit per number.
package struct SequenceLedger: Sendable {
  private var seen: [UInt64] = []
  /// One more than the highest number of each flow, 0 for none.
  private var next: [UInt64] = []
  /// Numbers that came at least once.
  package private(set) var unique: UInt64 = 0
  /// Arrivals of a number that had come before.
  package private(set) var duplicated: UInt64 = 0
  /// First arrivals after a higher number of the same flow.
  package private(set) var reordered: UInt64 = 0

  /// Creates a ledger with room for `numbers` and `flows`; it grows beyond them.
  package init(numbers: Int = 0, flows: Int = 0) {
    seen = Array(repeating: 0, count: (numbers + 63) / 64)
    next = Array(repeating: 0, count: flows)
  }

  /// Notes an arrival; false for one that had come before.
  ///
  /// `number` must be below `ProbeRecord.numberLimit`; flows from `flowLimit` on share one entry, which
  /// bounds what a sender of nonsense can make this allocate. Complexity: O(1) but for growth.
  package mutating func note(number: UInt64, flow: UInt32) -> Bool {
    precondition(number < ProbeRecord.numberLimit, "a number beyond the limit of a series")
    let word = Int(number / 64)
    let bit = UInt64(1) << (number % 64)
    if word >= seen.count {
      seen.append(contentsOf: repeatElement(0, count: max(word + 1 - seen.count, seen.count)))
    }
    guard seen[word] & bit == 0 else {
      duplicated += 1
      return false
    }
    seen[word] |= bit
    unique += 1
    noteOrder(number: number, flow: Int(min(flow, Self.flowLimit)))
    return true
  }

  /// Flows that are told apart.
  package static let flowLimit: UInt32 = 1 << 20

  private mutating func noteOrder(number: UInt64, flow: Int) {
    if flow >= next.count {
      next.append(contentsOf: repeatElement(0, count: max(flow + 1 - next.count, next.count)))
    }
    if number < next[flow] { reordered += 1 } else { next[flow] = number + 1 }
  }
}
