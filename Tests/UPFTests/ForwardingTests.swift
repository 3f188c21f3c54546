import GTPU
import Testing
import UPF

@Suite("Forwarding between N3 and N6")
struct ForwardingTests {
  @Test func `an uplink packet leaves its tunnel and goes to the data network as it was`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    let inner = TestPackets.v4(from: Site.ue, to: Site.server)
    node.fromAccess(TestPackets.uplink(teid: Site.teid, inner))
    #expect(node.settle())
    #expect(node.toCore.map(\.bytes) == [inner])
    #expect(node.toAccess.isEmpty)
    let session = try #require(node.plane.session(1))
    #expect(session.received[0] == Traffic(packets: 1, bytes: UInt64(inner.count)))
    #expect(session.sent[0] == session.received[0])
    #expect(node.plane.usage(1, urr: 1)?.uplink == session.sent[0])
    #expect(node.plane.usage(1, urr: 1)?.downlink == Traffic())
  }

  @Test func `a downlink packet goes into the tunnel of its access node, with the flow's QFI`()
    throws
  {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    let inner = TestPackets.v4(from: Site.server, to: Site.ue, payload: 1472)
    node.fromCore(inner)
    #expect(node.settle())
    let delivery = try #require(node.toAccess.first)
    #expect(node.toAccess.count == 1)
    #expect(delivery.address == Site.gnb)
    #expect(delivery.port == 2152)
    let header = try #require(delivery.header)
    #expect(header.type == .packet)
    #expect(header.teid == Site.gnbTEID)
    #expect(header.pduSession == PDUSessionContainer(.downlink, qfi: 9))
    #expect(delivery.inner == inner)
    let statistics = node.plane.statistics()
    #expect(statistics.sentN3 == Traffic(packets: 1, bytes: UInt64(inner.count + 16)))
    #expect(node.plane.usage(1, urr: 1)?.downlink.bytes == UInt64(inner.count))
  }

  @Test func `IPv6 users are found by their prefix in both directions`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    let user = (Site.uePrefix, UInt64(0x1234))
    let up = TestPackets.v6(from: user, to: Site.server6)
    let down = TestPackets.v6(from: Site.server6, to: user)
    node.fromAccess(TestPackets.uplink(teid: Site.teid, up))
    node.fromCore(down)
    #expect(node.settle())
    #expect(node.toCore.map(\.bytes) == [up])
    #expect(node.toAccess.map(\.inner) == [down])
  }

  @Test(arguments: [1, 100, 1500, 4000, 9000])
  func `packets of every length pass, and come out byte for byte`(payload: Int) throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    for _ in 0..<70 {
      node.fromAccess(
        TestPackets.uplink(
          teid: Site.teid, TestPackets.v4(from: Site.ue, to: Site.server, payload: payload)))
      node.fromCore(TestPackets.v4(from: Site.server, to: Site.ue, payload: payload))
    }
    #expect(node.settle())
    #expect(
      node.toCore.map(\.bytes)
        == Array(
          repeating: TestPackets.v4(from: Site.ue, to: Site.server, payload: payload), count: 70))
    #expect(
      node.toAccess.map(\.inner)
        == Array(
          repeating: TestPackets.v4(from: Site.server, to: Site.ue, payload: payload), count: 70))
    #expect(node.plane.account().isBalanced)
  }

  @Test func `packets without a container and with other optional fields pass, too`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    let inner = TestPackets.v4(from: Site.ue, to: Site.server)
    node.fromAccess(GTPUHeader(.packet, teid: Site.teid).message(inner))
    node.fromAccess(GTPUHeader(.packet, teid: Site.teid, sequenceNumber: 7).message(inner))
    #expect(node.settle())
    #expect(node.toCore.map(\.bytes) == [inner, inner])
  }

  /// Local switching: the new header needs more room than the old one left.
  @Test func `an uplink packet can go back to an access node, and its neighbours stay whole`()
    throws
  {
    var session = Site.session()
    session.fars[0].action = .toAccess(teid: 0x77, address: Site.gnb, port: 2152)
    let node = try TestNode([session])
    defer { try? node.plane.stop() }
    let inner = TestPackets.v4(from: Site.ue, to: Site.server, payload: 33)
    for _ in 0..<40 {
      node.fromAccess(GTPUHeader(.packet, teid: Site.teid).message(inner))
      node.fromAccess(TestPackets.uplink(teid: Site.teid, inner))
    }
    #expect(node.settle())
    #expect(node.toAccess.count == 80)
    #expect(node.toAccess.allSatisfy { $0.inner == inner && $0.header?.teid == 0x77 })
  }

  @Test func `an echo is answered to where it came from`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    node.fromAccess(
      ControlMessage.echoRequest(sequenceNumber: 77).encoded, address: 0x0a01_0009, port: 3333)
    #expect(node.settle())
    let reply = try #require(node.toAccess.first)
    #expect(reply.address == 0x0a01_0009 && reply.port == 3333)
    #expect(
      reply.bytes
        == ControlMessage.echoResponse(sequenceNumber: 77, restartCounter: 0).encoded)
    #expect(node.count(.echoRequest) == 1)
    #expect(node.plane.statistics().echoResponsesSent == 1)
  }

  @Test func `a packet for a tunnel that is not there is answered with an error indication`() throws
  {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    let inner = TestPackets.v4(from: Site.ue, to: Site.server)
    node.fromAccess(TestPackets.uplink(teid: 0xbad, inner), port: 40_001)
    #expect(node.settle())
    let reply = try #require(node.toAccess.first)
    #expect(reply.address == Site.gnb && reply.port == GTPUHeader.port)
    #expect(
      reply.bytes
        == ControlMessage.errorIndication(teid: 0xbad, peer: .v4(Site.n3), udpPort: 40_001)
        .encoded)
    #expect(node.count(.unknownTunnel) == 1)
  }

  @Test func `error indications are limited, and those that were not sent are counted`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    let packet = TestPackets.uplink(teid: 0xbad, TestPackets.v4(from: 1, to: 2))
    for _ in 0..<1000 { node.fromAccess(packet) }
    #expect(node.settle())
    let statistics = node.plane.statistics()
    #expect(statistics[.unknownTunnel].packets == 1000)
    #expect(statistics.errorIndicationsSent + statistics.errorIndicationsSuppressed == 1000)
    #expect(statistics.errorIndicationsSent >= 100)
    #expect(statistics.errorIndicationsSuppressed > 100)
    #expect(UInt64(node.toAccess.count) == statistics.errorIndicationsSent)
  }

  @Test func `messages of a peer are taken in and counted by kind`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    let messages: [ControlMessage] = [
      .echoResponse(sequenceNumber: 1, restartCounter: 0),
      .errorIndication(teid: 5, peer: .v4(Site.gnb), udpPort: nil),
      .supportedExtensionHeaders([0x85]), .endMarker(teid: Site.teid, pduSession: nil),
    ]
    for message in messages { node.fromAccess(message.encoded) }
    #expect(node.settle())
    let fates: [PacketFate] = [
      .echoResponse, .errorIndication, .supportedExtensionHeaders, .endMarker,
    ]
    for fate in fates { #expect(node.count(fate) == 1, "\(fate.name)") }
    #expect(node.plane.account().consumed.packets == 4)
    #expect(node.toAccess.isEmpty && node.toCore.isEmpty)
  }

  @Test func `a header that must be understood is answered with those that are`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    node.fromAccess([0x34, 255, 0, 12, 0, 0, 0x10, 0, 0, 0, 0, 0xc0, 1, 0, 0, 0, 0x45, 0, 0, 0])
    #expect(node.settle())
    #expect(
      node.toAccess.map(\.bytes)
        == [ControlMessage.supportedExtensionHeaders(ExtensionHeader.supported).encoded])
    #expect(node.count(PacketFate(.extensionHeaderNotSupported)) == 1)
    #expect(node.plane.statistics().headerNoticesSent == 1)
  }
}
