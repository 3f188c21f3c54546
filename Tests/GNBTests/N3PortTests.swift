import Bytes
import CPlatform
import GTPU
import Glibc
import PacketIO
import Platform
import Testing

@testable import GNB

@Suite("N3 port")
struct N3PortTests {
  static let loopback = IPv4Endpoint(address: IPv4Address(rawValue: 0x7f00_0001), port: 0)

  /// A radio node and a bare socket that plays its UPF.
  struct Pair: ~Copyable {
    var node: N3Port
    var upf: UDPSocket
    let arena: PacketArena

    init() throws {
      let upf = try UDPSocket(binding: N3PortTests.loopback)
      let pool = try #require(UEPool("10.60.0.1,0x11,0x22,9,4"))
      node = try N3Port(
        local: N3PortTests.loopback, upf: upf.local, directory: UEDirectory([pool]))
      arena = PacketArena(receiving: upf)
      self.upf = upf
    }

    /// Sends one datagram to the node and lets it receive it.
    mutating func deliver(_ bytes: [UInt8]) throws {
      let output = PacketArena(count: 1, room: max(bytes.count, 1))
      unsafe output.packets[0].bytes?.update(from: bytes, count: bytes.count)
      unsafe output.packets[0].length = UInt32(bytes.count)
      // Through a copy of the address, for ThreadSanitizer's compiler: see Generator.
      let packets = unsafe output.packets
      unsafe packets[0].peer = node.socket.local
      let sent = unsafe upf.send(output.first(1)).count
      #expect(sent == 1)
      var poller = Poller()
      _ = poller.add(node.socket.descriptor, .readable)
      let ready = try poller.wait(nanoseconds: 1_000_000_000)
      #expect(ready == 1)
      let received = node.receive()
      #expect(received == 1)
    }

    /// The next datagram at the UPF.
    func next() throws -> [UInt8] {
      var poller = Poller()
      _ = poller.add(upf.descriptor, .readable)
      let ready = try poller.wait(nanoseconds: 1_000_000_000)
      try #require(ready == 1)
      let count = unsafe upf.receive(into: arena.region, packets: arena.packets).count
      try #require(count == 1)
      return unsafe Array(arena.packets[0].content)
    }
  }

  static func parse(_ bytes: [UInt8]) throws -> ControlMessage? {
    let header = try GTPUHeader(parsing: bytes.span)
    return try ControlMessage(header: header, datagram: bytes.span)
  }

  @Test func `an echo request is answered with its number`() throws {
    var pair = try Pair()
    try pair.deliver(ControlMessage.echoRequest(sequenceNumber: 77).encoded)
    let answer = try Self.parse(try pair.next())
    #expect(answer == .echoResponse(sequenceNumber: 77, restartCounter: 0))
    let counters = pair.node.counters
    #expect(counters.echoRequests == 1)
    #expect(counters.controlSent == 1)
  }

  @Test func `a packet for a UE is delivered without its header`() throws {
    var pair = try Pair()
    let header = GTPUHeader(
      .packet, teid: 0x23, pduSession: PDUSessionContainer(.downlink, qfi: 9))
    try pair.deliver(header.message([1, 2, 3]))
    #expect(pair.node.deliveries.count == 1)
    let delivery = try #require(pair.node.deliveries.first)
    #expect(delivery.ue.index == 1)
    #expect(unsafe Array(delivery.packet.content) == [1, 2, 3])
    let counters = pair.node.counters
    #expect(counters.userPackets == 1)
    #expect(counters.withoutSession == 0)
  }

  @Test func `a packet that does not say it comes from a UPF is counted`() throws {
    var pair = try Pair()
    try pair.deliver(GTPUHeader(.packet, teid: 0x22).message([1]))
    let uplink = PDUSessionContainer(.uplink, qfi: 9)
    try pair.deliver(GTPUHeader(.packet, teid: 0x22, pduSession: uplink).message([1]))
    let counters = pair.node.counters
    #expect(counters.withoutSession == 2)
    #expect(counters.userPackets == 2)
  }

  @Test func `end marker, error indication and echo response are counted`() throws {
    var pair = try Pair()
    try pair.deliver(ControlMessage.endMarker(teid: 0x22, pduSession: nil).encoded)
    try pair.deliver(
      ControlMessage.errorIndication(teid: 0x11, peer: .v4(0x7f00_0001), udpPort: nil).encoded)
    try pair.deliver(
      ControlMessage.echoResponse(sequenceNumber: 1, restartCounter: 0).encoded)
    let counters = pair.node.counters
    #expect(counters.endMarkers == 1)
    #expect(counters.errorIndications == 1)
    #expect(counters.echoResponses == 1)
    #expect(counters.controlSent == 0)
  }

  @Test func `what is malformed is counted by its reason and answered by nothing`() throws {
    var pair = try Pair()
    try pair.deliver([])
    try pair.deliver([0x30, 0xff, 0, 9, 0, 0, 0, 1])
    try pair.deliver([0x50, 0xff, 0, 0, 0, 0, 0, 1])
    let counters = pair.node.counters
    #expect(counters.malformed[Int(GTPUFault.truncatedHeader.rawValue)] == 1)
    #expect(counters.malformed[Int(GTPUFault.lengthBeyondDatagram.rawValue)] == 1)
    #expect(counters.malformed[Int(GTPUFault.unsupportedVersion.rawValue)] == 1)
    #expect(counters.malformedTotal == 3)
    #expect(counters.controlSent == 0)
  }

  @Test func `an unknown tunnel is answered with an error indication to the GTP-U port`() throws {
    // The bare socket cannot listen on that port beside other tests, so the count must do here.
    var pair = try Pair()
    try pair.deliver(GTPUHeader(.packet, teid: 0x26).message([1]))
    let counters = pair.node.counters
    #expect(counters.unknownTunnel == 1)
    #expect(counters.controlSent + counters.sendFailed == 1)
    #expect(counters.userPackets == 0)
  }

  @Test func `an uplink packet carries tunnel, direction and QoS flow`() throws {
    var pair = try Pair()
    let arena = PacketArena(count: 1, room: 64, headroom: N3Port.uplinkHeaderSize)
    unsafe arena.packets[0].length = 2
    let ue = try #require(pair.node.directory.ue(3))
    // Through a copy of the address, for ThreadSanitizer's compiler: see Generator.
    let packets = unsafe arena.packets
    unsafe pair.node.encapsulate(&packets[0], from: ue)
    let sent = unsafe pair.node.send(arena.first(1))
    #expect(sent == 1)
    let bytes = try pair.next()
    let header = try GTPUHeader(parsing: bytes.span)
    #expect(header.teid == 0x14)
    #expect(header.pduSession == PDUSessionContainer(.uplink, qfi: 9))
    #expect(bytes.count - header.payloadOffset == 2)
  }
}
