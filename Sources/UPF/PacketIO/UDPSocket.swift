internal import CPlatform
internal import Glibc
package import Platform

/// A bound, non-blocking UDP socket that moves packets in batches.
///
/// Threading: one thread receives and one thread sends at a time. Several workers share one port by one
/// socket each with `reusePort`: the kernel then spreads peers over them by the hash of their
/// addresses.
@safe package struct UDPSocket: ~Copyable, Sendable {
  /// How a socket is set up.
  package struct Options: Sendable {
    /// Several sockets may be bound to the same endpoint.
    package var reusePort = false
    /// Bytes the kernel may queue for this socket before it drops; beyond the system's limit only
    /// with the privilege for that, else as far as the limit goes.
    package var receiveBuffer = 16 << 20
    /// Neighbouring datagrams of one peer are received as one (UDP_GRO), where the kernel can.
    package var coalesces = true
    /// Neighbouring packets of equal length to one peer are sent as one (UDP_SEGMENT), where the
    /// kernel can.
    package var segments = true
    /// The largest datagram that is expected; a longer one arrives truncated and marked so.
    ///
    /// With coalescing the kernel hands over up to 64 KiB at once whatever is said here.
    package var largestDatagram = 9216

    /// The defaults.
    package init() {}
  }

  /// The socket.
  package let descriptor: FileDescriptor
  /// What it is bound to, with the port the kernel chose if 0 was asked for.
  package let local: IPv4Endpoint
  /// Whether datagrams are received coalesced.
  package let coalesces: Bool
  /// Whether packets are sent segmented by the kernel.
  package private(set) var segments: Bool
  /// Bytes that one message of a receive takes in the region.
  package let slot: Int

  /// Opens a socket and binds it.
  package init(
    binding endpoint: IPv4Endpoint, options: Options = Options()
  ) throws(SystemError) {
    let number = socket(
      AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard number >= 0 else { throw SystemError.last("socket", "\(endpoint)") }
    let owner = FileDescriptor(owning: number)
    if options.reusePort, !setOption(number, SO_REUSEPORT, 1) {
      throw SystemError.last("setsockopt", "SO_REUSEPORT")
    }
    Self.enlargeReceiveBuffer(number, to: options.receiveBuffer)
    local = try Self.bind(number, to: endpoint)
    coalesces = options.coalesces && hitless_shim_udp_coalesce(number) == 0
    segments = options.segments && hitless_shim_udp_segmentation(number) == 0
    slot = coalesces ? 1 << 16 : max(options.largestDatagram, 64)
    descriptor = owner
  }

  /// Bytes that a region needs so that one call can take `messages` messages.
  package borrowing func regionSize(messages: Int = packetBatchLimit) -> Int { slot * messages }

  /// Packets that `messages` messages can turn into, when each was coalesced from the most.
  package static func packetCapacity(messages: Int = packetBatchLimit) -> Int {
    messages * Int(HITLESS_SHIM_SEGMENTS_MAX)
  }

  /// Receives what waits, without blocking; datagrams that the kernel glued together come apart again.
  ///
  /// As many messages are taken as both `region` and `packets` have room for, at most 32. The packets
  /// then point into `region`, which must stay in place until they are done with. `code` is EAGAIN
  /// when nothing waits.
  package borrowing func receive(
    into region: UnsafeMutableRawBufferPointer,
    packets: UnsafeMutableBufferPointer<PacketBuffer>
  ) -> BatchResult {
    let messages = min(
      region.count / slot, packets.count / Int(HITLESS_SHIM_SEGMENTS_MAX),
      packetBatchLimit)
    guard messages > 0, let first = region.baseAddress,
      let buffers = packets.baseAddress
    else { return BatchResult(count: 0, code: EINVAL) }
    // SAFETY: `messages` slots fit the region and their packets fit `packets`, as computed above.
    let count = unsafe hitless_shim_udp_receive(
      descriptor.number, first.assumingMemoryBound(to: UInt8.self), slot, UInt32(messages), buffers)
    return count < 0 ? BatchResult(count: 0, code: errno) : BatchResult(count: Int(count))
  }

  /// Sends packets in order, each to its peer, until the end or until the kernel takes no more.
  ///
  /// With a `code` other than 0, packet `count` is the one that was not taken: EAGAIN when the socket
  /// is full, else it cannot be sent. The caller counts it, and goes on behind it if it likes.
  package mutating func send(_ packets: UnsafeBufferPointer<PacketBuffer>) -> BatchResult {
    guard let first = packets.baseAddress else { return BatchResult(count: 0) }
    let total = packets.count
    var done = 0
    while done < total {
      // SAFETY: `total - done` packets lie from `done` on.
      let taken = unsafe hitless_shim_udp_send(
        descriptor.number, first + done, UInt32(clamping: total - done), segments ? 1 : 0)
      if taken > 0 {
        done += Int(taken)
        continue
      }
      let code = taken == 0 ? EAGAIN : errno
      if segments && [EINVAL, EIO, EMSGSIZE, EOPNOTSUPP].contains(code) {
        // The way to this peer does not let the kernel cut messages up: one packet per message.
        segments = false
        continue
      }
      if code != EINTR { return BatchResult(count: done, code: code) }
    }
    return BatchResult(count: done)
  }

  /// Returns how many messages or packets the kernel has dropped at this socket since it was opened, mostly
  /// because its queue was full.
  ///
  /// It is the counter of SO_RXQ_OVFL, read at any time instead of with the next datagram that comes
  /// through. Kernels count what they dropped in one piece as one. Without coalescing they cut up what a
  /// sender left in one message before they queue it, and each packet is counted; with it a message
  /// counts as one, of up to 64 packets.
  package borrowing func kernelDrops() -> UInt64 {
    UInt64(max(0, hitless_shim_socket_drops(descriptor.number)))
  }

  private static func bind(
    _ number: Int32, to endpoint: IPv4Endpoint
  ) throws(SystemError) -> IPv4Endpoint {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = endpoint.address.rawValue.bigEndian
    address.sin_port = endpoint.port.bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    // SAFETY: a sockaddr_in is passed with its size, and is read and written only for the calls.
    let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        let status = unsafe Glibc.bind(number, generic, size)
        return status == 0 ? unsafe getsockname(number, generic, &size) : status
      }
    }
    guard status == 0 else { throw SystemError.last("bind", "\(endpoint)") }
    return IPv4Endpoint(
      address: IPv4Address(rawValue: UInt32(bigEndian: address.sin_addr.s_addr)),
      port: UInt16(bigEndian: address.sin_port))
  }

  /// Best effort: what was not granted shows as drops, which are counted.
  private static func enlargeReceiveBuffer(_ number: Int32, to count: Int) {
    let half = Int32(clamping: count / 2)  // The kernel doubles it for its own bookkeeping.
    if !setOption(number, SO_RCVBUFFORCE, half) { _ = setOption(number, SO_RCVBUF, half) }
  }
}

/// Sets one integer option of a socket.
internal func setOption(_ number: Int32, _ name: Int32, _ value: Int32) -> Bool {
  var value = value
  // SAFETY: the option is an int, and its size is passed with it.
  return unsafe setsockopt(
    number, SOL_SOCKET, name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
}
