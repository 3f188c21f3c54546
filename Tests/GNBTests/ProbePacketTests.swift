import PacketIO
import Testing

@testable import GNB

@Suite("Probe packet")
struct ProbePacketTests {
  static let packet = ProbePacket(
    source: IPv4Endpoint(address: IPv4Address(rawValue: 0x0a3c_0001), port: 40_000),
    destination: IPv4Endpoint(address: IPv4Address(rawValue: 0x0a06_0002), port: 9000),
    record: ProbeRecord(run: 7, stream: .free, flow: 3, number: 12_345, sentAt: 99))

  static func bytes(of packet: ProbePacket, size: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: size)
    var span = bytes.mutableSpan
    let filler = ProbePacket.prepare(&span)
    packet.write(&span, filler: filler)
    return bytes
  }

  @Test(arguments: [64, 65, 128, 1401])
  func `a packet is read as it was written`(size: Int) throws {
    let bytes = Self.bytes(of: Self.packet, size: size)
    #expect(try ProbePacket(parsing: bytes.span) == Self.packet)
  }

  @Test func `every single changed bit is noticed`() {
    let bytes = Self.bytes(of: Self.packet, size: 80)
    for position in 0..<bytes.count * 8 {
      var changed = bytes
      changed[position / 8] ^= 1 << UInt8(position % 8)
      #expect(throws: ProbeRecord.Fault.self) { try ProbePacket(parsing: changed.span) }
    }
  }

  @Test func `every prefix is refused`() {
    let bytes = Self.bytes(of: Self.packet, size: 80)
    for count in 0..<bytes.count {
      let prefix = Array(bytes.prefix(count))
      #expect(throws: ProbeRecord.Fault.foreign) { try ProbePacket(parsing: prefix.span) }
    }
  }

  @Test func `a packet turned around goes back, is marked, and its checksums hold`() throws {
    for number in 0..<1000 as Range<UInt64> {
      var packet = Self.packet
      packet.record.number = number
      var bytes = Self.bytes(of: packet, size: 64)
      var span = bytes.mutableSpan
      ProbePacket.turnAround(&span)
      let back = try ProbePacket(parsing: bytes.span)
      #expect(back.source == packet.destination)
      #expect(back.destination == packet.source)
      #expect(back.record.isReturned)
      #expect(back.record.number == number)
    }
  }

  @Test func `a number beyond the limit of a series is no number`() {
    var packet = Self.packet
    packet.record.number = ProbeRecord.numberLimit
    let bytes = Self.bytes(of: packet, size: 64)
    #expect(throws: ProbeRecord.Fault.corrupt) { try ProbePacket(parsing: bytes.span) }
  }
}
