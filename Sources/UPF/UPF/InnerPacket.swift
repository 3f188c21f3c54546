internal import CUPF

/// Reads the header of a user's packet into what modules see.
///
/// Total: any bytes end in a filled `upf_packet` or in the fate of a malformed packet.
enum InnerPacket {
  private static let v4HeaderSize = 20
  private static let v6HeaderSize = 40
  /// More IPv6 extension headers than any sender chains.
  private static let extensionLimit = 8

  /// Fills `packet`, whose direction and tunnel fields are the caller's; nil means that it is sound.
  @inline(__always)
  static func parse(
    _ view: PacketView, into packet: UnsafeMutablePointer<upf_packet>
  ) -> PacketFate? {
    guard unsafe view.count > 0 else { return .innerTruncated }
    unsafe packet.pointee.bytes = view.base
    unsafe packet.pointee.length = UInt32(truncatingIfNeeded: view.count)
    switch unsafe view.byte(0) >> 4 {
    case 4: return unsafe parseV4(view, into: packet)
    case 6: return unsafe parseV6(view, into: packet)
    default: return .innerNotIP
    }
  }

  @inline(__always)
  private static func parseV4(
    _ view: PacketView, into packet: UnsafeMutablePointer<upf_packet>
  ) -> PacketFate? {
    guard unsafe view.count >= v4HeaderSize else { return .innerTruncated }
    let headerSize = unsafe Int(view.byte(0) & 15) * 4
    guard headerSize >= v4HeaderSize else { return .innerBadHeader }
    guard unsafe Int(view.big16(2)) == view.count else { return .innerLengthMismatch }
    guard unsafe headerSize <= view.count else { return .innerBadHeader }
    let transport = unsafe view.byte(9)
    unsafe packet.pointee.ip_version = 4
    unsafe packet.pointee.protocol = transport
    unsafe packet.pointee.source = address(UInt64(view.raw32(12)), 0)
    unsafe packet.pointee.destination = address(UInt64(view.raw32(16)), 0)
    // Only the first fragment has the ports.
    let isFirst = unsafe view.big16(6) & 0x1fff == 0
    unsafe setPorts(view, transport, at: isFirst ? headerSize : view.count, packet)
    return nil
  }

  private static func parseV6(
    _ view: PacketView, into packet: UnsafeMutablePointer<upf_packet>
  ) -> PacketFate? {
    guard unsafe view.count >= v6HeaderSize else { return .innerTruncated }
    guard unsafe Int(view.big16(4)) + v6HeaderSize == view.count else {
      return .innerLengthMismatch
    }
    guard let (transport, offset) = unsafe transportOfV6(view) else { return .innerBadHeader }
    unsafe packet.pointee.ip_version = 6
    unsafe packet.pointee.protocol = transport
    unsafe packet.pointee.source = address(view.raw64(8), view.raw64(16))
    unsafe packet.pointee.destination = address(view.raw64(24), view.raw64(32))
    unsafe setPorts(view, transport, at: offset, packet)
    return nil
  }

  /// Follows the extension headers; the offset is the packet's end where there is no transport header.
  private static func transportOfV6(_ view: PacketView) -> (transport: UInt8, offset: Int)? {
    var next = unsafe view.byte(6)
    var offset = v6HeaderSize
    for _ in 0...extensionLimit {
      let size: Int
      switch next {
      // Hop-by-hop options, routing, destination options, mobility, host identity, shim6.
      case 0, 43, 60, 135, 139, 140:
        guard unsafe offset + 8 <= view.count else { return nil }
        size = unsafe 8 * (Int(view.byte(offset + 1)) + 1)
      case 51:
        guard unsafe offset + 8 <= view.count else { return nil }
        size = unsafe 4 * (Int(view.byte(offset + 1)) + 2)
      case 44:
        guard unsafe offset + 8 <= view.count else { return nil }
        if unsafe view.big16(offset + 2) & 0xfff8 != 0 {
          return unsafe (view.byte(offset), view.count)
        }
        size = 8
      default:
        return (next, offset)
      }
      guard unsafe offset + size <= view.count else { return nil }
      next = unsafe view.byte(offset)
      offset += size
    }
    return nil
  }

  /// TCP, UDP, DCCP, SCTP and UDP-Lite begin with their ports.
  @inline(__always)
  private static func setPorts(
    _ view: PacketView, _ transport: UInt8, at offset: Int,
    _ packet: UnsafeMutablePointer<upf_packet>
  ) {
    var ports: (UInt16, UInt16) = (0, 0)
    switch transport {
    case 6, 17, 33, 132, 136:
      if unsafe offset + 4 <= view.count {
        ports = unsafe (view.big16(offset), view.big16(offset + 2))
      }
    default: break
    }
    unsafe packet.pointee.source_port = ports.0
    unsafe packet.pointee.destination_port = ports.1
  }

  @inline(__always)
  private static func address(_ first: UInt64, _ second: UInt64) -> FilterPlan.Bytes {
    // SAFETY: both are sixteen bytes without padding; the words are in memory order already.
    unsafe unsafeBitCast((first, second), to: FilterPlan.Bytes.self)
  }
}
