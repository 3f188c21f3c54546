import GTPU
import Testing
import UPF

@Suite("Drops by reason")
struct DropReasonTests {
  private let up = TestPackets.uplink(
    teid: Site.teid, TestPackets.v4(from: Site.ue, to: Site.server))
  private let down = TestPackets.v4(from: Site.server, to: Site.ue)

  @Test func `a closed gate stops its direction and only that`() throws {
    for closesUplink in [true, false] {
      let closed = QoSEnforcementRule.Limit(gateIsOpen: false)
      let qer = QoSEnforcementRule(
        id: 1, uplink: closesUplink ? closed : .init(), downlink: closesUplink ? .init() : closed)
      let node = try TestNode([Site.session(qer: qer)])
      defer { try? node.plane.stop() }
      node.fromAccess(up)
      node.fromCore(down)
      #expect(node.settle())
      #expect(node.count(.gateClosed) == 1)
      #expect(node.toCore.count == (closesUplink ? 0 : 1))
      #expect(node.toAccess.count == (closesUplink ? 1 : 0))
      let session = try #require(node.plane.session(1))
      #expect(session.gateClosed.packets == 1)
      #expect(session.isBalanced)
      // What a gate stops is not the user's volume.
      let usage = try #require(node.plane.usage(1, urr: 1))
      #expect(usage.uplink.packets + usage.downlink.packets == 1)
    }
  }

  @Test func `a bit rate lets the burst through and no more`() throws {
    // 8 kbit/s refills one byte per millisecond: nothing, against ten packets of a kilobyte.
    let limit = QoSEnforcementRule.Limit(mbr: 8000, burst: 10_280)
    let node = try TestNode([
      Site.session(qer: QoSEnforcementRule(id: 1, uplink: limit, downlink: limit))
    ])
    defer { try? node.plane.stop() }
    let inner = TestPackets.v4(from: Site.ue, to: Site.server, payload: 1000)
    for _ in 0..<100 { node.fromAccess(TestPackets.uplink(teid: Site.teid, inner)) }
    #expect(node.settle())
    #expect((10...11).contains(node.toCore.count))
    #expect(node.count(.mbrExceeded) == 100 - UInt64(node.toCore.count))
    // The other direction has a bucket of its own.
    node.fromCore(down)
    #expect(node.settle())
    #expect(node.toAccess.count == 1)
    #expect(node.plane.session(1)?.mbrExceeded.packets == 100 - UInt64(node.toCore.count))
  }

  @Test func `a FAR that says drop is obeyed and counted`() throws {
    var session = Site.session()
    session.fars[1].action = .drop
    let node = try TestNode([session])
    defer { try? node.plane.stop() }
    node.fromCore(down)
    #expect(node.settle())
    #expect(node.count(.droppedByFAR) == 1)
    #expect(node.plane.session(1)?.droppedByFAR.packets == 1)
  }

  @Test func `an unknown user and a known one without a rule are told apart`() throws {
    var session = Site.session()
    session.pdrs[0].qfi = 5
    session.pdrs[1].filters = [try FlowDescription(parsing: "permit out tcp from any to assigned")]
    let node = try TestNode([session])
    defer { try? node.plane.stop() }
    node.fromCore(TestPackets.v4(from: Site.server, to: 0x0101_0101))
    node.fromCore(TestPackets.v6(from: Site.server6, to: (0x2001_0db8_ffff_0000, 1)))
    node.fromCore(down)
    node.fromAccess(up)
    #expect(node.settle())
    #expect(node.count(.unknownUE) == 2)
    #expect(node.count(.noMatchingPDR) == 2)
    #expect(node.toAccess.isEmpty && node.toCore.isEmpty)
  }

  /// The key table keeps IPv4 addresses as small numbers; an IPv6 destination that reads as one must
  /// not reach the IPv4 user.
  @Test func `an IPv6 destination that looks like an IPv4 key reaches nobody`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    node.fromCore(TestPackets.v6(from: Site.server6, to: (UInt64(Site.ue), 1)))
    #expect(node.settle())
    #expect(node.count(.unknownUE) == 1)
    #expect(node.toAccess.isEmpty)
  }

  @Test func `an uplink rule with a UE address stops packets that claim another source`() throws {
    var session = Site.session()
    session.pdrs[0].source = .access(
      teid: Site.teid, address: nil, ue: [.v4(Site.ue), .v6(Site.uePrefix)])
    let node = try TestNode([session])
    defer { try? node.plane.stop() }
    let sound = [
      TestPackets.v4(from: Site.ue, to: Site.server),
      TestPackets.v6(from: (Site.uePrefix, 5), to: Site.server6),
    ]
    let forged = [
      TestPackets.v4(from: Site.ue + 1, to: Site.server),
      TestPackets.v6(from: (Site.uePrefix + 1, 5), to: Site.server6),
    ]
    for inner in sound + forged { node.fromAccess(TestPackets.uplink(teid: Site.teid, inner)) }
    #expect(node.settle())
    #expect(node.toCore.map(\.bytes) == sound)
    #expect(node.count(.noMatchingPDR) == 2)
  }

  @Test func `of two rules that match, the lower precedence value wins`() throws {
    var session = Site.session()
    session.fars.append(ForwardingActionRule(id: 3, action: .drop))
    session.pdrs.append(
      PacketDetectionRule(
        id: 3, precedence: 10, source: .core(ue: [.v4(Site.ue)]),
        filters: [
          try FlowDescription(parsing: "permit out udp from 8.8.8.0/24 53,100-200 to assigned")
        ], far: 3))
    let node = try TestNode([session])
    defer { try? node.plane.stop() }
    for port: UInt16 in [53, 54, 99, 100, 200, 201] {
      node.fromCore(TestPackets.v4(from: Site.server, to: Site.ue, ports: (port, 4000)))
    }
    #expect(node.settle())
    #expect(node.count(.droppedByFAR) == 3)
    #expect(node.toAccess.count == 3)
  }

  @Test func `a module that lies cannot make the host trip, and is found out`() throws {
    let node = try TestNode([Site.session(count: 8)])
    defer { try? node.plane.stop() }
    node.registry.activate(.lying)
    for _ in 0..<96 { node.fromAccess(up) }
    #expect(node.settle())
    let statistics = node.plane.statistics()
    #expect(statistics[.invalidVerdict].packets == 96)
    #expect(statistics.invalidUpdates > 0)
    #expect(node.toCore.isEmpty)
    #expect(node.plane.account().isBalanced)
    #expect(node.plane.allSessions().isBalanced)
  }

  @Test func `what a full port does not take is dropped and counted`() throws {
    let node = try TestNode(portByteCount: 1 << 14)
    defer { try? node.plane.stop() }
    // Nobody collects what is sent while the packets go in.
    var sent = 0
    while sent < 500 {
      if node.enqueue(up, node.access[0], address: Site.gnb, port: 1) { sent += 1 }
      node.access[0].flush()
    }
    #expect(node.settle())
    let statistics = node.plane.statistics()
    #expect(statistics[.sendFailedN6].packets > 0)
    #expect(statistics[.sendFailedN6].packets + UInt64(node.toCore.count) == 500)
    #expect(
      node.plane.session(1)?.other
        == Traffic(
          packets: statistics[.sendFailedN6].packets,
          bytes: statistics[.sendFailedN6].packets * UInt64(up.count - 16)))
    #expect(node.plane.session(1)?.isBalanced == true)
    #expect(node.plane.account().isBalanced)
  }
}
