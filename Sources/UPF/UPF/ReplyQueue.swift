internal import CPlatform
internal import GTPU
internal import PacketIO
internal import Refusal

/// GTP-U messages that a worker answers with, collected while a batch is read and sent after it.
///
/// Threading: one worker's.
@safe
final class ReplyQueue {
  private static let stride = (ControlMessage.maximumEncodedCount + 15) / 16 * 16

  private let memory: ZeroedMemory
  private let packetMemory: ZeroedMemory
  private let packets: UnsafeMutablePointer<PacketBuffer>
  /// Replies that wait to be sent.
  private(set) var count = 0

  /// Makes room for one reply to every packet of a batch.
  init() throws(Refusal) {
    memory = try ZeroedMemory(count: packetBatchLimit, stride: Self.stride)
    packetMemory = try unsafe ZeroedMemory(
      count: packetBatchLimit, stride: MemoryLayout<PacketBuffer>.stride)
    unsafe packets = packetMemory.records()
  }

  /// Adds a reply; one too many is left out, which cannot be with one reply per packet.
  func add(_ message: ControlMessage, to address: UInt32, _ port: UInt16) {
    guard count < packetBatchLimit else { return }
    let start = unsafe (memory.base + count * Self.stride).assumingMemoryBound(to: UInt8.self)
    // SAFETY: the place has `stride` bytes, which no message exceeds.
    var output = unsafe MutableSpan(_unsafeStart: start, count: Self.stride)
    let length = message.encode(into: &output)
    var packet = unsafe PacketBuffer()
    unsafe packet.bytes = start
    unsafe packet.length = UInt32(length)
    unsafe packet.address = address
    unsafe packet.port = port
    unsafe packets[count] = packet
    count += 1
  }

  /// Sends everything; returns how many the port did not take.
  func send(through port: WorkerPort) -> Int {
    var failed = 0
    var start = 0
    while start < count {
      let rest = unsafe UnsafeBufferPointer(start: packets + start, count: count - start)
      let result = unsafe port.send(rest)
      start += result.count
      if result.code != 0 || result.count == 0 {
        failed += 1
        start += 1
      }
    }
    count = 0
    return failed
  }
}
