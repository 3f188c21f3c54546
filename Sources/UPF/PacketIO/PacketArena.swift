internal import CPlatform

/// Memory for a batch of packets, and the records that describe them; freed when the value ends.
///
/// Threading: used by one thread at a time. The `Sendable` conformance lets a worker take it along.
@safe package struct PacketArena: ~Copyable, @unchecked Sendable {
  /// All the bytes.
  package let region: UnsafeMutableRawBufferPointer
  /// One record for each packet that fits a batch.
  package let packets: UnsafeMutableBufferPointer<PacketBuffer>
  private let stride: Int
  private let headroom: Int

  /// Makes room for `count` packets of up to `room` bytes, each with `headroom` bytes before it.
  ///
  /// Every record points to its place, so that a port can read into them and a header can be put in
  /// front of what was read.
  package init(count: Int, room: Int, headroom: Int = 0) {
    // Whole cache lines: no two packets share one.
    stride = (headroom + room + 63) / 64 * 64
    self.headroom = headroom
    unsafe region = Self.bytes(count * stride)
    unsafe packets = Self.records(count)
    restore()
  }

  /// Makes what one `receive` of `socket` can fill.
  package init(receiving socket: borrowing UDPSocket) {
    stride = 0
    headroom = 0
    unsafe region = Self.bytes(socket.regionSize())
    unsafe packets = Self.records(UDPSocket.packetCapacity())
  }

  deinit {
    unsafe region.deallocate()
    unsafe packets.deallocate()
  }

  /// Points every record to its place again, behind its headroom, with the whole room before it.
  package func restore() {
    for index in unsafe 0..<packets.count { restore(index) }
  }

  /// Points record `index` to its place again.
  package func restore(_ index: Int) {
    let start = unsafe region.baseAddress.map { unsafe $0 + index * stride + headroom }
    unsafe packets[index].bytes = unsafe start?.assumingMemoryBound(to: UInt8.self)
    unsafe packets[index].capacity = UInt32(stride - headroom)
  }

  /// The first `count` records, to be sent.
  package func first(_ count: Int) -> UnsafeBufferPointer<PacketBuffer> {
    unsafe UnsafeBufferPointer(rebasing: packets[0..<count])
  }

  private static func bytes(_ count: Int) -> UnsafeMutableRawBufferPointer {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
    return unsafe bytes
  }

  private static func records(_ count: Int) -> UnsafeMutableBufferPointer<PacketBuffer> {
    let records = UnsafeMutableBufferPointer<PacketBuffer>.allocate(capacity: count)
    unsafe records.initialize(repeating: PacketBuffer())
    return unsafe records
  }
}
