import Refusal
import TestSupport
import Testing
import UPF

@Suite("Sessions replaced under traffic")
struct ReloadTests {
  private func up(_ teid: UInt32, _ ue: UInt32) -> [UInt8] {
    TestPackets.uplink(teid: teid, TestPackets.v4(from: ue, to: Site.server))
  }

  @Test func `sessions that stay keep their counters, and new ones start from zero`() throws {
    let node = try TestNode([Site.session(seid: 1), other])
    defer { try? node.plane.stop() }
    for _ in 0..<10 { node.fromAccess(up(Site.teid, Site.ue)) }
    for _ in 0..<5 { node.fromAccess(up(0x9000, 0x0a3d_0001)) }
    #expect(node.settle())
    let summary = try node.plane.replaceSessions([
      Site.session(seid: 1), Site.session(seid: 3, teid: 0x5000, ue: 0x0a3e_0001, prefix: 7 << 32),
    ])
    #expect(summary.sessions == 2)
    #expect(summary.overdue == 0)
    for _ in 0..<10 { node.fromAccess(up(Site.teid, Site.ue)) }
    node.fromAccess(up(0x9000, 0x0a3d_0001))
    node.fromAccess(up(0x5000, 0x0a3e_0001))
    #expect(node.settle())
    #expect(node.plane.session(1)?.received[0].packets == 20)
    #expect(node.plane.usage(1, urr: 1)?.uplink.packets == 20)
    #expect(node.plane.session(200) == nil)
    #expect(node.plane.session(3)?.received[0].packets == 1)
    #expect(node.count(.unknownTunnel) == 1)
    // The session that is gone still counts in the sum over all.
    #expect(node.plane.allSessions().received[0].packets == 26)
    #expect(node.plane.sessionIDs() == [1, 3])
  }

  private var other: SessionSpecification {
    Site.session(seid: 200, teid: 0x9000, ue: 0x0a3d_0001, prefix: 5 << 32)
  }

  @Test func `a bucket keeps its level over a reload`() throws {
    let limit = QoSEnforcementRule.Limit(mbr: 8, burst: 500)
    let session = Site.session(qer: QoSEnforcementRule(id: 1, uplink: limit))
    let node = try TestNode([session])
    defer { try? node.plane.stop() }
    for _ in 0..<10 { node.fromAccess(up(Site.teid, Site.ue)) }
    #expect(node.settle())
    #expect(node.toCore.count == 10)
    try node.plane.replaceSessions([session])
    for _ in 0..<10 { node.fromAccess(up(Site.teid, Site.ue)) }
    #expect(node.settle())
    #expect(node.toCore.count == 10)
    // A session that was gone in between comes back with a full one.
    try node.plane.replaceSessions([])
    try node.plane.replaceSessions([session])
    for _ in 0..<10 { node.fromAccess(up(Site.teid, Site.ue)) }
    #expect(node.settle())
    #expect(node.toCore.count == 20)
  }

  @Test func `a reload that is refused changes nothing`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    let before = node.plane.tables
    #expect(throws: Refusal.self) {
      try node.plane.replaceSessions([Site.session(), Site.session(seid: 2)])
    }
    #expect(node.plane.tables == before)
    node.fromAccess(up(Site.teid, Site.ue))
    #expect(node.settle())
    #expect(node.toCore.count == 1)
  }

  @Test func `reloads under load lose no packet and no count`() throws {
    let node = try TestNode([Site.session(count: 4), other])
    defer { try? node.plane.stop() }
    for round in 0..<200 {
      for user: UInt32 in 0..<4 {
        node.fromAccess(up(Site.teid + user, Site.ue + user))
        node.fromCore(TestPackets.v4(from: Site.server, to: Site.ue + user))
      }
      if round.isMultiple(of: 4) {
        let more = round.isMultiple(of: 8) ? [] : [other]
        try node.plane.replaceSessions([Site.session(count: 4)] + more)
      }
      node.drain()
    }
    #expect(node.settle())
    #expect(node.toCore.count == 800 && node.toAccess.count == 800)
    #expect(node.plane.account().isBalanced)
    #expect(node.plane.allSessions().received[0].packets == 800)
    #expect(node.plane.tables.overdue == 0)
    #expect(node.plane.tables.sequence == 51)
  }

  @Test func `records are used again, so that reloads can go on for ever`() throws {
    var limits = RuleLimits()
    limits.sessions = 4
    limits.qers = 4
    limits.urrs = 4
    let node = try TestNode([Site.session(seid: 1)], limits: limits)
    defer { try? node.plane.stop() }
    for seid: UInt64 in 2..<40 { try node.plane.replaceSessions([Site.session(seid: seid)]) }
    #expect(node.plane.sessionIDs() == [39])
  }
}
