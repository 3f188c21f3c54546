/// What rules ask of a packet, without the pointer to its bytes.
struct Flow {
  let direction: UInt8
  let qfi: UInt8
  let ipVersion: UInt8
  let transport: UInt8
  let teid: UInt32
  let tunnelAddress: UInt32
  let sourcePort: UInt16
  let destinationPort: UInt16
  let source: Address
  let destination: Address

  /// Takes the fields that the parse stage found.
  @inline(__always)
  init(_ packet: upf_packet) {
    // SAFETY: only plain fields are read; `bytes` is not.
    unsafe direction = packet.direction
    unsafe qfi = packet.qfi
    unsafe ipVersion = packet.ip_version
    unsafe transport = packet.protocol
    unsafe teid = packet.teid
    unsafe tunnelAddress = packet.tunnel_address
    unsafe sourcePort = packet.source_port
    unsafe destinationPort = packet.destination_port
    unsafe source = Address(packet.source)
    unsafe destination = Address(packet.destination)
  }

  /// Whether the UE sends the packet; else it receives it.
  @inline(__always)
  var isUplink: Bool { direction == UInt8(UPF_UPLINK) }

  /// What the host's rules are filed under: uplink the tunnel's end, downlink the UE's address, of
  /// IPv6 the /64 prefix.
  @inline(__always)
  var key: UInt64 {
    if isUplink { return UInt64(tunnelAddress) << 32 | UInt64(teid) }
    return ipVersion == 4 ? destination.high >> 32 : destination.high
  }
}
