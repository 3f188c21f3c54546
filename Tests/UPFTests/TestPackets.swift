import GTPU
import UPF

/// Packets as a user and a data network make them.
enum TestPackets {
  /// An IPv4 packet with a UDP header and `payload` bytes behind it.
  static func v4(
    from source: UInt32, to destination: UInt32, ports: (UInt16, UInt16) = (4000, 5000),
    payload: Int = 20, transport: UInt8 = 17
  ) -> [UInt8] {
    let total = UInt16(28 + payload)
    return [0x45, 0] + big(total) + [0, 0, 0, 0, 64, transport, 0, 0] + big(source)
      + big(destination) + udp(ports, payload)
  }

  /// An IPv6 packet with a UDP header and `payload` bytes behind it.
  static func v6(
    from source: (UInt64, UInt64), to destination: (UInt64, UInt64),
    ports: (UInt16, UInt16) = (4000, 5000), payload: Int = 20
  ) -> [UInt8] {
    [0x60, 0, 0, 0] + big(UInt16(8 + payload)) + [17, 64] + big(source.0) + big(source.1)
      + big(destination.0) + big(destination.1) + udp(ports, payload)
  }

  /// `inner` in a G-PDU as NG-RAN sends it.
  static func uplink(teid: UInt32, qfi: UInt8 = 9, _ inner: [UInt8]) -> [UInt8] {
    GTPUHeader(.packet, teid: teid, pduSession: PDUSessionContainer(.uplink, qfi: qfi))
      .message(inner)
  }

  private static func udp(_ ports: (UInt16, UInt16), _ payload: Int) -> [UInt8] {
    big(ports.0) + big(ports.1) + big(UInt16(8 + payload)) + [0, 0]
      + (0..<payload).map { UInt8(truncatingIfNeeded: $0) }
  }

  static func big<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<T.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: value >> T(8 * $0)) }
  }
}

/// What a sink got.
struct Delivery: Equatable, Sendable {
  var bytes: [UInt8]
  var address: UInt32 = 0
  var port: UInt16 = 0

  /// The header of a datagram that went to an access node.
  var header: GTPUHeader? { try? GTPUHeader(parsing: bytes.span) }

  /// The user's packet in it.
  var inner: [UInt8] { header.map { Array(bytes[$0.payloadOffset...]) } ?? [] }
}
