package import CPlatform

/// One packet in memory that the caller owns: where it is, how long it is, who sent or gets it.
///
/// The layout is C's, because the kernel's batch calls fill it in one go; see
/// `hitless_shim_network.h`. Nothing here allocates or frees the bytes.
package typealias PacketBuffer = hitless_shim_packet

/// Most packets that one call of a device or a sender handles with one batch of system calls.
package let packetBatchLimit = Int(HITLESS_SHIM_MESSAGES_MAX)

extension hitless_shim_packet {
  /// Where the packet came from or goes to; meaningless for packets of a TUN device.
  package var peer: IPv4Endpoint {
    get { unsafe IPv4Endpoint(address: IPv4Address(rawValue: address), port: port) }
    set {
      unsafe address = newValue.address.rawValue
      unsafe port = newValue.port
    }
  }

  /// Whether the beginning of the packet is here but not its end.
  package var isTruncated: Bool { unsafe flags & UInt16(HITLESS_SHIM_PACKET_TRUNCATED) != 0 }
}

/// How far a batch got.
package struct BatchResult: Equatable, Sendable {
  /// Packets that were read, or that the kernel took; always the first ones.
  package let count: Int
  /// The error number that stopped the batch before its end, 0 when none did.
  package let code: Int32

  /// Creates a result.
  package init(count: Int, code: Int32 = 0) {
    self.count = count
    self.code = code
  }
}
