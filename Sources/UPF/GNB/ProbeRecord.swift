/// What every counted packet says about itself, so that both ends can account for it.
///
/// Layout, big-endian: magic, run, stream, flags, two zero bytes, flow, number, time, check; then a
/// filler that depends on nothing but its place. 36 bytes without the filler.
package struct ProbeRecord: Equatable, Sendable {
  /// `HLPR`.
  static let magic: UInt32 = 0x484c_5052
  /// Size without the filler.
  package static let size = 36
  /// Numbers of one stream stay below this: what a ledger keeps is bounded by it.
  package static let numberLimit: UInt64 = 1 << 28

  /// Which series of numbers a packet belongs to.
  package enum Stream: UInt8, CaseIterable, Sendable {
    /// Sent only while few enough are under way; every one is expected back.
    case windowed = 0
    /// Sent alongside without waiting; a gate may hold them back.
    case free = 1
  }

  /// Chosen by the generator at its start.
  package var run: UInt32
  /// The series.
  package var stream: Stream
  /// Whether the sink has had it.
  package var isReturned: Bool
  /// Number of the UE.
  package var flow: UInt32
  /// Place in the series, from 0.
  package var number: UInt64
  /// CLOCK_MONOTONIC nanoseconds when it was made.
  package var sentAt: UInt64

  /// Creates a record as the generator sends it.
  package init(run: UInt32, stream: Stream, flow: UInt32, number: UInt64, sentAt: UInt64) {
    self.run = run
    self.stream = stream
    isReturned = false
    self.flow = flow
    self.number = number
    self.sentAt = sentAt
  }

  /// Why a payload is not a record.
  package enum Fault: Error, Equatable {
    /// It does not even claim to be one.
    case foreign
    /// It claims to be one, but bytes were changed.
    case corrupt
  }

  /// Reads the record and checks everything that follows it to the end of `bytes`.
  package init(parsing bytes: Span<UInt8>, at start: Int) throws(Fault) {
    guard start <= bytes.count, bytes.count - start >= Self.size,
      bytes.big32(at: start) == Self.magic
    else { throw .foreign }
    guard let stream = Stream(rawValue: bytes[start + 8]), bytes[start + 9] <= 1 else {
      throw .corrupt
    }
    run = bytes.big32(at: start + 4)
    self.stream = stream
    isReturned = bytes[start + 9] == 1
    flow = bytes.big32(at: start + 12)
    number = bytes.big64(at: start + 16)
    sentAt = bytes.big64(at: start + 24)
    guard number < Self.numberLimit, bytes.big32(at: start + 32) == check else { throw .corrupt }
    for offset in start + Self.size..<bytes.count where bytes[offset] != Self.filler(offset - start)
    {
      throw .corrupt
    }
  }

  /// Writes the record, not the filler.
  func write(_ bytes: inout MutableSpan<UInt8>, at start: Int) {
    bytes.put(Self.magic, at: start)
    bytes.put(run, at: start + 4)
    bytes[start + 8] = stream.rawValue
    bytes[start + 9] = isReturned ? 1 : 0
    bytes.put(UInt16(0), at: start + 10)
    bytes.put(flow, at: start + 12)
    bytes.put(number, at: start + 16)
    bytes.put(sentAt, at: start + 24)
    bytes.put(check, at: start + 32)
  }

  /// Writes what follows the record, from `start + size` to the end.
  static func writeFiller(_ bytes: inout MutableSpan<UInt8>, recordAt start: Int) {
    for offset in start + size..<bytes.count { bytes[offset] = filler(offset - start) }
  }

  /// Marks the record at `start` as returned; the packet's checksum is the caller's business.
  package static func markReturned(_ bytes: inout MutableSpan<UInt8>, at start: Int) {
    bytes[start + 9] = 1
  }

  private static func filler(_ place: Int) -> UInt8 { UInt8(truncatingIfNeeded: place &* 37 &+ 11) }

  /// Ties the fields together; the time is left out because nothing is decided by it.
  private var check: UInt32 {
    var mixed = UInt64(run) << 32 | UInt64(flow)
    mixed ^= (number &+ 1) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(stream.rawValue)
    mixed ^= mixed >> 31
    mixed &*= 0xbf58_476d_1ce4_e5b9
    return UInt32(truncatingIfNeeded: mixed >> 32)
  }
}
