internal import CPlatform
package import PacketIO
package import Refusal

/// Packets from one thread to another, copied once, in order, without locks.
///
/// Records have different lengths and are never split; before each packet there is room for a tunnel
/// header, so that a worker can encapsulate it where it lies.
///
/// Threading: one thread at a time pushes, one at a time takes.
/// Ordering: the tail's release store pairs with the taker's acquire load: who sees the new tail sees
/// the records before it. The head's release store pairs with the pusher's acquire load: who sees the
/// new head may overwrite what lies before it.
@safe
package final class PacketRing: @unchecked Sendable {
  private static let recordHeader = 16
  private static let alignment = 16
  private static let overhead = recordHeader + packetHeadroom
  /// Instead of a length: the next record is at the start of the memory.
  private static let wrap = UInt32.max
  /// Places of the two positions, on cache lines of their own.
  private static let tail = 0
  private static let head = 8

  private let memory: ZeroedMemory
  private let positions: ZeroedMemory
  private let shared: Cells
  private let capacity: UInt64
  // The pusher's own: where it writes next, and the last head it has seen.
  private var writePosition: UInt64 = 0
  private var knownHead: UInt64 = 0
  // The taker's own: where it reads next.
  private var readPosition: UInt64 = 0

  /// Creates a ring of at least `byteCount` bytes, records' overhead included.
  package init(byteCount: Int) throws(Refusal) {
    var size = 1 << 12
    while size < byteCount { size *= 2 }
    memory = try ZeroedMemory(count: size, stride: 1)
    positions = try ZeroedMemory(count: 16, stride: 8)
    unsafe shared = Cells(positions.base)
    capacity = UInt64(size)
  }

  /// The longest packet that fits for sure, when the ring is empty.
  package var largestPacket: Int { Int(capacity / 2) - Self.overhead }

  /// Copies a packet into the ring, for `publish` to make visible; false when there is no room.
  package func push(_ packet: PacketBuffer, origin: PacketOrigin) -> Bool {
    guard let bytes = unsafe packet.bytes, unsafe Int(packet.length) <= largestPacket else {
      return false
    }
    let length = unsafe Int(packet.length)
    guard let record = unsafe reserve(Self.overhead + length) else { return false }
    unsafe record.storeBytes(of: UInt32(length), as: UInt32.self)
    unsafe record.storeBytes(of: packet.address, toByteOffset: 4, as: UInt32.self)
    unsafe record.storeBytes(of: packet.port, toByteOffset: 8, as: UInt16.self)
    unsafe record.storeBytes(of: origin.rawValue, toByteOffset: 10, as: UInt8.self)
    unsafe (record + Self.overhead).copyMemory(from: bytes, byteCount: length)
    return true
  }

  /// Makes what was pushed visible to the taker.
  package func publish() {
    unsafe shared.set(writePosition, at: Self.tail)
  }

  /// Whether nothing is left to take; exact for the taker, a hint for everybody else.
  package var isEmpty: Bool {
    unsafe shared.load(Self.tail) == shared.load(Self.head)
  }

  /// Whether the taker has nothing to take.
  var hasNothingToTake: Bool { unsafe shared.load(Self.tail) == readPosition }

  /// Describes the next packets in `packets` and `origins`, as many as there are and fit; they stay in
  /// place until `release`.
  func take(
    into packets: UnsafeMutableBufferPointer<PacketBuffer>,
    origins: UnsafeMutablePointer<UInt8>
  ) -> Int {
    let tail = unsafe shared.load(Self.tail)
    var count = 0
    while count < packets.count, readPosition < tail {
      let offset = Int(readPosition & (capacity - 1))
      let record = unsafe memory.base + offset
      let length = unsafe record.load(as: UInt32.self)
      guard length != Self.wrap else {
        readPosition += capacity - UInt64(offset)
        continue
      }
      var packet = unsafe PacketBuffer()
      unsafe packet.bytes = (record + Self.overhead).assumingMemoryBound(to: UInt8.self)
      unsafe packet.capacity = length
      unsafe packet.length = length
      unsafe packet.address = record.load(fromByteOffset: 4, as: UInt32.self)
      unsafe packet.port = record.load(fromByteOffset: 8, as: UInt16.self)
      unsafe origins[count] = record.load(fromByteOffset: 10, as: UInt8.self)
      unsafe packets[count] = packet
      count += 1
      readPosition += UInt64(Self.recordSize(Self.overhead + Int(length)))
    }
    return count
  }

  /// Gives the room of everything taken back to the pusher.
  func release() {
    unsafe shared.set(readPosition, at: Self.head)
  }

  private static func recordSize(_ count: Int) -> Int {
    (count + alignment - 1) / alignment * alignment
  }

  /// Finds room for a record of `count` bytes in one piece, or at the start of the memory.
  private func reserve(_ count: Int) -> UnsafeMutableRawPointer? {
    let size = UInt64(Self.recordSize(count))
    var offset = writePosition & (capacity - 1)
    let skipped = offset + size > capacity ? capacity - offset : 0
    guard hasRoom(skipped + size) else { return nil }
    if skipped > 0 {
      // Positions are multiples of the alignment, so a marker always fits before the end.
      unsafe (memory.base + Int(offset)).storeBytes(of: Self.wrap, as: UInt32.self)
      writePosition += skipped
      offset = 0
    }
    writePosition += size
    return unsafe memory.base + Int(offset)
  }

  private func hasRoom(_ count: UInt64) -> Bool {
    if writePosition + count - knownHead <= capacity { return true }
    knownHead = unsafe shared.load(Self.head)
    return writePosition + count - knownHead <= capacity
  }
}

/// Room before every packet that did not come through a tunnel.
package let packetHeadroom = 16

/// Where a packet entered this node.
package enum PacketOrigin: UInt8, Sendable {
  /// From an access node.
  case n3 = 0
  /// From the data network.
  case n6 = 1
}
