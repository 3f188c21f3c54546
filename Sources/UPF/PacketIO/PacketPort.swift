internal import CPlatform
internal import Glibc
package import Platform

/// Where whole IP packets enter and leave a process: a TUN device, or a local socket in its place.
///
/// Threading: one thread reads and one thread writes at a time; a worker has a port of its own.
@safe package struct PacketPort: ~Copyable, Sendable {
  /// What packets come out of.
  package enum Kind: Sendable {
    /// A queue of a TUN device.
    case tun
    /// A connected local socket (SOCK_SEQPACKET): it keeps the borders of packets, loses none, and
    /// needs no privilege.
    case local
  }

  /// What it is.
  package let kind: Kind
  /// The device's name, or the socket's path.
  package let name: String
  /// The device or the socket.
  package let descriptor: FileDescriptor

  private init(_ kind: Kind, _ name: String, _ descriptor: consuming FileDescriptor) {
    self.kind = kind
    self.name = name
    self.descriptor = descriptor
  }

  /// Opens a queue of the TUN device `name`, which is made if there is none and then lives as long as
  /// one of its queues or, made before by `ip tuntap`, on its own.
  ///
  /// Packets carry no header before them (IFF_NO_PI). With `multiQueue` the kernel spreads flows over
  /// all queues of the device; every opener must then ask for it.
  package static func tun(_ name: String, multiQueue: Bool = false) throws(SystemError)
    -> PacketPort
  {
    // 15 characters and the NUL; an empty name would make the kernel choose one.
    guard (1...15).contains(name.utf8.count) else {
      throw SystemError("open", name.isEmpty ? EINVAL : ENAMETOOLONG, "TUN device \(name)")
    }
    let descriptor = try FileDescriptor.open("/dev/net/tun", O_RDWR | O_NONBLOCK)
    // SAFETY: the name is NUL-terminated for the call.
    guard unsafe hitless_shim_tun_attach(descriptor.number, name, multiQueue ? 1 : 0) == 0 else {
      throw SystemError.last("open", "TUN device \(name)")
    }
    return PacketPort(.tun, name, descriptor)
  }

  /// Connects to the `PacketPortListener` at `path`.
  package static func connect(_ path: String) throws(SystemError) -> PacketPort {
    let descriptor = try LocalAddress.socket(path)
    let status = try unsafe LocalAddress(path).withPointer { address, size in
      unsafe Glibc.connect(descriptor.number, address, size)
    }
    guard status == 0 else { throw SystemError.last("connect", path) }
    return try PacketPort(accepted: descriptor, path: path)
  }

  /// Takes over a connected local socket; both queues get as long as the system allows.
  internal init(accepted descriptor: consuming FileDescriptor, path: String) throws(SystemError) {
    for (privileged, plain) in [(SO_SNDBUFFORCE, SO_SNDBUF), (SO_RCVBUFFORCE, SO_RCVBUF)] {
      if !setOption(descriptor.number, privileged, 8 << 20) {
        _ = setOption(descriptor.number, plain, 8 << 20)
      }
    }
    self.init(.local, path, descriptor)
  }

  /// Reads one packet into each buffer, at most `capacity` bytes from `bytes` on, until none waits.
  ///
  /// `code` is 0 when every buffer was filled, EAGAIN when nothing more waits, ENOTCONN when the other
  /// end of a local port has gone. A packet that fills its buffer is marked truncated, so give one
  /// byte more than the largest packet.
  package borrowing func read(
    into packets: UnsafeMutableBufferPointer<PacketBuffer>
  ) -> BatchResult {
    guard let first = packets.baseAddress else { return BatchResult(count: 0) }
    var code: Int32 = 0
    // SAFETY: the count is the buffer's own.
    let count = unsafe hitless_shim_packets_read(
      descriptor.number, first, UInt32(clamping: packets.count), &code)
    return BatchResult(count: Int(count), code: code)
  }

  /// Writes packets in order until the end or until one is not taken.
  ///
  /// With a `code` other than 0, packet `count` is the one that was not taken: EAGAIN when a local
  /// port's other end does not keep up, EINVAL for what is no IP packet, EIO while the device is down.
  /// The caller counts it, and goes on behind it if it likes.
  package borrowing func write(_ packets: UnsafeBufferPointer<PacketBuffer>) -> BatchResult {
    guard let first = packets.baseAddress else { return BatchResult(count: 0) }
    var code: Int32 = 0
    // SAFETY: the count is the buffer's own.
    let count = unsafe hitless_shim_packets_write(
      descriptor.number, first, UInt32(clamping: packets.count), kind == .local ? 1 : 0, &code)
    return BatchResult(count: Int(count), code: code)
  }
}
