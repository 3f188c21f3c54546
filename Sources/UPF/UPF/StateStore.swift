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

  init(limits: RuleLimits) throws(Refusal) {
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
    unsafe buckets[2 * Int(number)] = upf_bucket()
    unsafe buckets[2 * Int(number) + 1] = upf_bucket()
  }
}
