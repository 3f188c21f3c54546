import TestSupport
import Testing
import UPF

@Suite("Modules swapped under the pipeline")
struct SwapTests {
  @Test func `a swap changes what is enforced and loses nothing`() throws {
    let closed = QoSEnforcementRule.Limit(gateIsOpen: false)
    let node = try TestNode([
      Site.session(qer: QoSEnforcementRule(id: 1, uplink: closed, downlink: closed))
    ])
    defer { try? node.plane.stop() }
    let up = TestPackets.uplink(teid: Site.teid, TestPackets.v4(from: Site.ue, to: Site.server))
    node.registry.activate(.open)
    #expect(eventually { node.registry.isSettled() })
    for _ in 0..<100 { node.fromAccess(up) }
    #expect(node.settle())
    #expect(node.toCore.count == 100)
    node.registry.activate(.first)
    #expect(eventually { node.registry.isSettled() })
    for _ in 0..<100 { node.fromAccess(up) }
    #expect(node.settle())
    #expect(node.toCore.count == 100)
    let statistics = node.plane.statistics()
    #expect(statistics[.gateClosed].packets == 100)
    #expect(statistics.marks == [3: 100, 1: 100])
    let builds = statistics.builds.filter { $0.slot == .qer }.sorted { $0.ordinal < $1.ordinal }
    #expect(builds.map(\.ordinal) == [1, 3])
    #expect(builds.map(\.packets) == [100, 100])
    #expect(builds.map(\.buildID) == [[0, 0, 0, 0], [2, 0, 0, 0]])
    #expect(statistics.builds.filter { $0.slot == .classify }.map(\.packets) == [200])
  }

  @Test func `alternating builds under load conserve every counter`() throws {
    let node = try TestNode([Site.session(count: 3)])
    defer { try? node.plane.stop() }
    let seed: UInt64 = 0x5eed_0011
    var random = SeededGenerator(seed: seed)
    for round in 0..<300 {
      if round.isMultiple(of: 2) {
        node.registry.activate(.second)
      } else {
        node.registry.activate(.first)
      }
      for _ in 0..<Int.random(in: 1...40, using: &random) {
        let user = UInt32.random(in: 0...2, using: &random)
        if Bool.random(using: &random) {
          node.fromAccess(
            TestPackets.uplink(
              teid: Site.teid + user, TestPackets.v4(from: Site.ue + user, to: Site.server)))
        } else {
          node.fromCore(TestPackets.v4(from: Site.server, to: Site.ue + user))
        }
      }
      node.drain()
      if round.isMultiple(of: 20) { #expect(node.plane.account().isBalanced) }
    }
    #expect(node.settle())
    let statistics = node.plane.statistics()
    let account = Account(statistics)
    #expect(account.isBalanced)
    #expect(account.forwarded.packets == node.injected, "SeededGenerator(seed: \(seed))")
    #expect(UInt64(node.toCore.count + node.toAccess.count) == node.injected)
    // Every packet was handled by exactly one build, and says by which.
    let byBuild = statistics.builds.filter { $0.slot == .qer }.reduce(0) { $0 + $1.packets }
    #expect(byBuild == node.injected)
    #expect(statistics.marks.values.reduce(0, +) == node.injected)
    #expect(Set(statistics.marks.keys) == [1, 2])
    for build in statistics.builds where build.slot == .qer {
      #expect(statistics.marks[UInt16(build.ordinal)] == build.packets)
    }
    let sessions = node.plane.allSessions()
    #expect(sessions.isBalanced)
    #expect(
      sessions.received[0].packets + sessions.received[1].packets == node.injected)
  }

  @Test func `a worker that only drops, or only waits, lets go of old views all the same`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    node.registry.activate(.second)
    #expect(eventually { node.registry.isSettled() })
    node.fromAccess([1, 2, 3])
    node.registry.activate(.first)
    #expect(eventually { node.registry.isSettled() })
    #expect(node.settle())
  }
}
