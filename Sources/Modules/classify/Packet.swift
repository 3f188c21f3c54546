/// One packet as the parse stage found it, without the way to its bytes.
@safe
struct Packet {
  private let pointer: UnsafePointer<upf_packet>

  /// Wraps the packet at `pointer`, which the host keeps as it is for the batch.
  @inline(always) @unsafe
  init(_ pointer: UnsafePointer<upf_packet>) {
    unsafe self.pointer = pointer
  }

  // SAFETY, for all of these: the packet outlives the batch, and nobody writes to it meanwhile.
  @inline(always) var direction: UInt8 { unsafe pointer.pointee.direction }
  @inline(always) var qfi: UInt8 { unsafe pointer.pointee.qfi }
  @inline(always) var ipVersion: UInt8 { unsafe pointer.pointee.ip_version }
  @inline(always) var transport: UInt8 { unsafe pointer.pointee.protocol }
  @inline(always) var sourcePort: UInt16 { unsafe pointer.pointee.source_port }
  @inline(always) var destinationPort: UInt16 { unsafe pointer.pointee.destination_port }
  @inline(always) var source: Address { unsafe Address(pointer.pointee.source) }
  @inline(always) var destination: Address { unsafe Address(pointer.pointee.destination) }

  /// The tunnel's end: its address above its TEID.
  @inline(always)
  private var tunnel: UInt64 {
    unsafe UInt64(pointer.pointee.tunnel_address) << 32 | UInt64(pointer.pointee.teid)
  }

  /// Whether the UE sends the packet; else it receives it.
  @inline(always)
  var isUplink: Bool { direction == UInt8(UPF_UPLINK) }

  /// What the host's rules are filed under: uplink the tunnel's end, downlink the UE's address, of
  /// IPv6 the /64 prefix.
  @inline(always)
  var key: UInt64 {
    if isUplink { return tunnel }
    return ipVersion == 4 ? destination.high >> 32 : destination.high
  }
}
