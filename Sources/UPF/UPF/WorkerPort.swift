internal import CPlatform
internal import Glibc
package import PacketIO
internal import Platform
package import Refusal

/// One side of a worker: where packets come from in batches, and where they go.
///
/// Threading: a port belongs to one worker from its start on.
package enum WorkerPort: Sendable {
  /// A UDP socket on N3.
  case udp(UDPPort)
  /// A TUN queue or a local socket on N6.
  case device(DevicePort)
  /// Rings in memory, on either side.
  case memory(MemoryPort)

  /// Receives what waits; the packets stay in place until `release`.
  func receive() -> UnsafeMutableBufferPointer<PacketBuffer> {
    switch self {
    case .udp(let port): unsafe port.receive()
    case .device(let port): unsafe port.receive()
    case .memory(let port): unsafe port.receive()
    }
  }

  /// Lets go of what was received.
  func release() {
    if case .memory(let port) = self { port.release() }
  }

  /// Sends packets in order; `count` were taken, and with a `code` other than 0 the next one was not.
  func send(_ packets: UnsafeBufferPointer<PacketBuffer>) -> BatchResult {
    switch self {
    case .udp(let port): unsafe port.send(packets)
    case .device(let port): unsafe port.send(packets)
    case .memory(let port): unsafe port.send(packets)
    }
  }

  /// Adds what the worker waits for when nothing is to be done.
  func add(to poller: inout Poller) {
    switch self {
    case .udp(let port): port.add(to: &poller)
    case .device(let port): port.add(to: &poller)
    case .memory: break
    }
  }

  /// Whether something may wait that no descriptor tells of.
  var mayHavePackets: Bool {
    guard case .memory(let port) = self else { return false }
    return port.hasPackets
  }

  /// Datagrams that the kernel dropped before anybody here saw them.
  var kernelDrops: UInt64 {
    guard case .udp(let port) = self else { return 0 }
    return port.kernelDrops
  }
}

/// A UDP socket with room for one batch of system calls.
///
/// Threading: the worker's; `kernelDrops` may be called from anywhere.
@safe
package final class UDPPort: @unchecked Sendable {
  private var socket: UDPSocket
  private let region: UnsafeMutableRawBufferPointer
  private let packets: UnsafeMutableBufferPointer<PacketBuffer>
  private let regionMemory: ZeroedMemory
  private let packetMemory: ZeroedMemory

  /// Takes over a bound socket.
  package init(_ socket: consuming UDPSocket) throws(Refusal) {
    let size = socket.regionSize()
    let capacity = UDPSocket.packetCapacity()
    regionMemory = try ZeroedMemory(count: size, stride: 1)
    packetMemory = unsafe try ZeroedMemory(
      count: capacity, stride: MemoryLayout<PacketBuffer>.stride)
    unsafe region = UnsafeMutableRawBufferPointer(start: regionMemory.base, count: size)
    unsafe packets = UnsafeMutableBufferPointer(start: packetMemory.records(), count: capacity)
    self.socket = socket
  }

  func receive() -> UnsafeMutableBufferPointer<PacketBuffer> {
    let result = unsafe socket.receive(into: region, packets: packets)
    return unsafe UnsafeMutableBufferPointer(start: packets.baseAddress, count: result.count)
  }

  func send(_ packets: UnsafeBufferPointer<PacketBuffer>) -> BatchResult {
    unsafe socket.send(packets)
  }

  func add(to poller: inout Poller) { _ = poller.add(socket.descriptor, .readable) }

  var kernelDrops: UInt64 { socket.kernelDrops() }
}

/// A TUN queue or a local socket, with room for one batch of packets and headers before them.
///
/// Threading: the worker's.
@safe
package final class DevicePort: @unchecked Sendable {
  /// Longest packet that is read whole.
  package static let largestPacket = 9216

  // A packet that fills its room is taken for a truncated one, hence one more byte.
  private static let room = largestPacket + 1
  private static let stride = (packetHeadroom + room + 63) / 64 * 64

  private let port: PacketPort
  private let packets: UnsafeMutableBufferPointer<PacketBuffer>
  private let region: ZeroedMemory
  private let packetMemory: ZeroedMemory

  /// Takes over an open device.
  package init(_ port: consuming PacketPort) throws(Refusal) {
    self.port = port
    region = try ZeroedMemory(count: packetBatchLimit, stride: Self.stride)
    packetMemory = unsafe try ZeroedMemory(
      count: packetBatchLimit, stride: MemoryLayout<PacketBuffer>.stride)
    unsafe packets = UnsafeMutableBufferPointer(
      start: packetMemory.records(), count: packetBatchLimit)
    for index in 0..<packetBatchLimit {
      let start = unsafe region.base + index * Self.stride + packetHeadroom
      unsafe packets[index].bytes = start.assumingMemoryBound(to: UInt8.self)
      unsafe packets[index].capacity = UInt32(Self.room)
    }
  }

  func receive() -> UnsafeMutableBufferPointer<PacketBuffer> {
    let result = unsafe port.read(into: packets)
    return unsafe UnsafeMutableBufferPointer(start: packets.baseAddress, count: result.count)
  }

  func send(_ packets: UnsafeBufferPointer<PacketBuffer>) -> BatchResult {
    unsafe port.write(packets)
  }

  func add(to poller: inout Poller) { _ = poller.add(port.descriptor, .readable) }
}

/// A port without a network: one ring to the worker, one from it.
///
/// Threading: one thread at a time plays the outside with `inject` and `collect`; the worker has the
/// rest.
@safe
package final class MemoryPort: @unchecked Sendable {
  private let origin: PacketOrigin
  private let inward: PacketRing
  private let outward: PacketRing
  private let doorbell: Doorbell
  private let packets: UnsafeMutableBufferPointer<PacketBuffer>
  private let packetMemory: ZeroedMemory
  private let originMemory: ZeroedMemory
  private let outsidePackets: UnsafeMutableBufferPointer<PacketBuffer>

  /// Creates a port on the side of `origin` whose worker listens to `doorbell`.
  package init(
    _ origin: PacketOrigin, doorbell: Doorbell, byteCount: Int = 1 << 20
  ) throws(Refusal) {
    self.origin = origin
    self.doorbell = doorbell
    inward = try PacketRing(byteCount: byteCount)
    outward = try PacketRing(byteCount: byteCount)
    packetMemory = unsafe try ZeroedMemory(
      count: 2 * packetBatchLimit, stride: MemoryLayout<PacketBuffer>.stride)
    originMemory = try ZeroedMemory(count: 2 * packetBatchLimit, stride: 1)
    let records: UnsafeMutablePointer<PacketBuffer> = unsafe packetMemory.records()
    unsafe packets = UnsafeMutableBufferPointer(start: records, count: packetBatchLimit)
    unsafe outsidePackets = UnsafeMutableBufferPointer(
      start: records + packetBatchLimit, count: packetBatchLimit)
  }

  /// Puts a packet in, for `flush` to make visible; false when the ring is full.
  package func inject(_ packet: PacketBuffer) -> Bool { unsafe inward.push(packet, origin: origin) }

  /// Makes what was injected visible and wakes the worker.
  package func flush() {
    inward.publish()
    doorbell.ring()
  }

  /// Hands the packets that the worker sent to `body`, and returns how many there were.
  package func collect(_ body: (UnsafeBufferPointer<PacketBuffer>) -> Void) -> Int {
    let origins = unsafe originMemory.base.assumingMemoryBound(to: UInt8.self)
    let count = unsafe outward.take(into: outsidePackets, origins: origins + packetBatchLimit)
    unsafe body(UnsafeBufferPointer(start: outsidePackets.baseAddress, count: count))
    outward.release()
    return count
  }

  /// Whether everything that was injected was taken.
  package var isDrained: Bool { inward.isEmpty }

  var hasPackets: Bool { !inward.hasNothingToTake }

  func receive() -> UnsafeMutableBufferPointer<PacketBuffer> {
    let origins = unsafe originMemory.base.assumingMemoryBound(to: UInt8.self)
    let count = unsafe inward.take(into: packets, origins: origins)
    return unsafe UnsafeMutableBufferPointer(start: packets.baseAddress, count: count)
  }

  func release() { inward.release() }

  func send(_ packets: UnsafeBufferPointer<PacketBuffer>) -> BatchResult {
    var count = 0
    while count < packets.count {
      guard unsafe outward.push(packets[count], origin: origin) else {
        outward.publish()
        return BatchResult(count: count, code: EAGAIN)
      }
      count += 1
    }
    outward.publish()
    return BatchResult(count: count)
  }
}
