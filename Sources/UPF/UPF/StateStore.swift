internal import CUPF
internal import Refusal

/// The host-owned records that outlive rule tables and modules: buckets, session counters, usage.
///
/// Threading: a session has one owner among the workers (`session % workers`), and only the owner
/// writes the records of the session and its rules; nothing here is ever locked. A record is reset by
/// the control side, between two sessions, when no worker can use it.
@safe
final class StateStore: @unchecked Sendable {
  private let sessionMemory: ZeroedMemory
  private let usageMemory: ZeroedMemory
  private let bucketMemory: ZeroedMemory

  let sessions: Cells
  let usage: Cells
  /// Two per QER: uplink, downlink.
  let buckets: UnsafeMutablePointer<upf_bucket>

  /// Where buckets are instead of here; nil: nowhere.
  let bucketTable: BucketTable?

  init(limits: RuleLimits, bucketTable: BucketTable? = nil) throws(Refusal) {
    self.bucketTable = bucketTable
    sessionMemory = try ZeroedMemory(count: limits.sessions, stride: SessionRecord.byteCount)
    usageMemory = try ZeroedMemory(count: limits.urrs, stride: UsageRecord.byteCount)
    bucketMemory = try ZeroedMemory(
      count: 2 * limits.qers, stride: MemoryLayout<upf_bucket>.stride)
    unsafe sessions = Cells(sessionMemory.base)
    unsafe usage = Cells(usageMemory.base)
    unsafe buckets = bucketMemory.records()
  }

  /// The cells of one session.
  @inline(__always)
  func session(_ number: UInt32) -> Cells {
    unsafe sessions.advanced(by: SessionRecord.cellCount * Int(number))
  }

  /// The cells of one URR.
  @inline(__always)
  func usage(_ number: UInt32) -> Cells {
    unsafe usage.advanced(by: UsageRecord.cellCount * Int(number))
  }

  func resetSession(_ number: UInt32) {
    for cell in 0..<SessionRecord.cellCount { unsafe session(number).set(0, at: cell) }
  }

  func resetUsage(_ number: UInt32) {
    for cell in 0..<UsageRecord.cellCount { unsafe usage(number).set(0, at: cell) }
  }

  /// Makes the buckets of a QER full again.
  func resetBuckets(ofQER number: UInt32) {
    if let bucketTable {
      for direction in 0..<UInt64(2) { bucketTable.clear(2 * UInt64(number) + direction) }
      return
    }
    unsafe buckets[2 * Int(number)] = upf_bucket()
    unsafe buckets[2 * Int(number) + 1] = upf_bucket()
  }
}

/// The state table of the agent's in which token buckets are: two per QER, uplink and downlink.
package struct BucketTable: Sendable {
  /// Its number.
  let number: UInt32
  /// Makes a bucket full again that no worker uses.
  let clear: @Sendable (_ bucket: UInt64) -> Void

  /// Names a table.
  package init(number: UInt32, clear: @escaping @Sendable (_ bucket: UInt64) -> Void) {
    self.number = number
    self.clear = clear
  }

  /// Layouts of a bucket that there is room for: schema and size.
  package static let schemas: [(id: UInt32, size: UInt32)] = [
    (UPF_SCHEMA_BUCKET, UInt32(MemoryLayout<upf_bucket>.size)),
    (UPF_SCHEMA_BUCKET_2, UInt32(MemoryLayout<upf_bucket_2>.size)),
  ]
}
