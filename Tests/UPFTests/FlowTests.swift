import TestSupport
import Testing
import UPF

@Suite("Flows of a candidate")
struct FlowTests {
  private static let users: UInt32 = 64

  /// Sessions whose gates are closed: the candidate lets their packets through, stable does not.
  private func node(workers: Int = 1) throws -> TestNode {
    let closed = QoSEnforcementRule.Limit(gateIsOpen: false)
    let rule = QoSEnforcementRule(id: 1, uplink: closed, downlink: closed)
    return try TestNode([Site.session(count: Self.users, qer: rule)], workers: workers)
  }

  /// Sends two packets of every user in both directions; the users whose packets came through up and down.
  private func served(_ node: TestNode) throws -> (up: [UInt32], down: [UInt32]) {
    try #require(eventually { node.registry.isSettled() })
    node.forget()
    for _ in 0..<2 {
      for user in 0..<Self.users {
        let up = TestPackets.v4(from: Site.ue + user, to: Site.server)
        let worker = Int(user) % node.access.count
        node.fromAccess(TestPackets.uplink(teid: Site.teid + user, up), worker: worker)
        node.fromCore(TestPackets.v4(from: Site.server, to: Site.ue + user), worker: worker)
      }
    }
    try #require(node.settle())
    // The user's address: the source on the way up, the destination, behind the tunnel's header, down.
    let up = node.toCore.map { user($0.bytes, at: 12) }
    let down = node.toAccess.map { user($0.bytes, at: $0.bytes.count - 48 + 16) }
    return (up.sorted(), down.sorted())
  }

  private func user(_ bytes: [UInt8], at place: Int) -> UInt32 {
    bytes[place..<place + 4].reduce(0) { $0 << 8 | UInt32($1) } - Site.ue
  }

  @Test(arguments: [1, 2])
  func `a flow is the candidate's in both directions, whole, and never goes back`(
    workers: Int
  ) throws {
    let node = try node(workers: workers)
    defer { try? node.plane.stop() }
    var before: Set<UInt32> = []
    for share: UInt32 in [0, 655, 6554, 16_384, 32_768, 60_000, 65_536] {
      node.registry.activate(.open, flows: share)
      let (up, down) = try served(node)
      let users = Set(up)
      #expect(users == Set(down) && up.count == 2 * users.count && down.count == up.count)
      #expect(users.isSuperset(of: before), "\(before.subtracting(users)) went back")
      let expected = Double(Self.users) * Double(share) / 65_536
      #expect(abs(Double(users.count) - expected) < 16, "\(users.count) of about \(expected)")
      before = users
    }
    #expect(before.count == Int(Self.users))
    let account = node.plane.account()
    #expect(account.isBalanced && account.received.packets == node.injected)
  }

  @Test func `a batch that is split counts every packet once, under the build that had it`() throws
  {
    let node = try node()
    defer { try? node.plane.stop() }
    node.registry.activate(.open, flows: 32_768)
    let (up, down) = try served(node)
    let statistics = node.plane.statistics()
    let forwarded = UInt64(up.count + down.count)
    #expect(statistics[.gateClosed].packets == node.injected - forwarded)
    let builds = statistics.builds.filter { $0.slot == .qer }.sorted { $0.ordinal < $1.ordinal }
    #expect(builds.map(\.packets) == [node.injected - forwarded, forwarded])
    #expect(statistics.marks == [1: node.injected - forwarded, 3: forwarded])
    #expect(node.plane.allSessions().isBalanced)
  }

  @Test func `a bucket is charged by whichever version a flow has`() throws {
    // A burst of ten packets of 48 bytes, and hardly anything after it.
    let limit = QoSEnforcementRule.Limit(mbr: 8, burst: 480)
    let rule = QoSEnforcementRule(id: 1, uplink: limit, downlink: limit)
    let node = try TestNode([Site.session(count: Self.users, qer: rule)])
    defer { try? node.plane.stop() }
    node.registry.activate(.second, flows: 32_768)
    try #require(eventually { node.registry.isSettled() })
    for _ in 0..<15 {
      for user in 0..<Self.users {
        let up = TestPackets.v4(from: Site.ue + user, to: Site.server)
        node.fromAccess(TestPackets.uplink(teid: Site.teid + user, up))
      }
    }
    try #require(node.settle())
    let passed = Dictionary(grouping: node.toCore.map { user($0.bytes, at: 12) }) { $0 }
    #expect(passed.count == Int(Self.users) && passed.values.allSatisfy { $0.count == 10 })
  }
}
