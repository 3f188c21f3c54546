import PacketIO
import Refusal
import TestSupport
import Testing
import UPF

@Suite("Several workers")
struct WorkersTests {
  private func traffic(_ node: TestNode, _ count: Int, users: UInt32, seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<count {
      let user = UInt32.random(in: 0..<users, using: &random)
      let worker = Int.random(in: 0..<node.access.count, using: &random)
      if Bool.random(using: &random) {
        node.fromAccess(
          TestPackets.uplink(
            teid: Site.teid + user, TestPackets.v4(from: Site.ue + user, to: Site.server)),
          worker: worker)
      } else {
        node.fromCore(
          TestPackets.v4(from: Site.server, to: Site.ue + user), worker: worker)
      }
      node.drain()
    }
  }

  @Test(arguments: [2, 3])
  func `whichever worker gets a packet, its session's owner serves it`(workers: Int) throws {
    let node = try TestNode([Site.session(count: 7)], workers: workers)
    defer { try? node.plane.stop() }
    traffic(node, 3000, users: 7, seed: 0x5eed_0021)
    #expect(node.settle())
    let all = node.plane.statistics()
    let account = Account(all)
    #expect(account.isBalanced && account.inFlight == 0)
    #expect(account.forwarded.packets == 3000)
    #expect(all.takenOver.packets > 0)
    #expect(all[.handedOver] == all.takenOver)
    #expect(node.toCore.count + node.toAccess.count == 3000)
    for worker in node.plane.workerStatistics() { #expect(Account(worker).isBalanced) }
    let sessions = node.plane.allSessions()
    #expect(sessions.isBalanced)
    #expect(sessions.received[0].packets + sessions.received[1].packets == 3000)
  }

  /// Two workers that each believed in a bucket of their own would let twice as much through.
  @Test func `a bit rate holds when its packets come through several workers`() throws {
    let limit = QoSEnforcementRule.Limit(mbr: 8000, burst: 10_280)
    let node = try TestNode(
      [Site.session(qer: QoSEnforcementRule(id: 1, uplink: limit))], workers: 2)
    defer { try? node.plane.stop() }
    let inner = TestPackets.v4(from: Site.ue, to: Site.server, payload: 1000)
    for index in 0..<100 {
      node.fromAccess(TestPackets.uplink(teid: Site.teid, inner), worker: index % 2)
    }
    #expect(node.settle())
    #expect((10...11).contains(node.toCore.count))
  }

  @Test func `what does not fit the ring to the owner is dropped and counted`() throws {
    let node = try TestNode(
      [Site.session(count: 2)], workers: 2, handoverByteCount: 4096)
    defer { try? node.plane.stop() }
    let inner = TestPackets.v4(from: Site.ue, to: Site.server, payload: 3000)
    for user: UInt32 in 0..<2 {
      for worker in 0..<2 {
        node.fromAccess(TestPackets.uplink(teid: Site.teid + user, inner), worker: worker)
      }
    }
    #expect(node.settle())
    // Of the four, the two at the wrong worker are longer than half of a ring.
    #expect(node.count(.handoverFull) == 2)
    #expect(node.toCore.count == 2)
    #expect(node.plane.account().isBalanced)
  }

  @Test func `the end leaves nothing between the workers`() throws {
    let node = try TestNode([Site.session(count: 7)], workers: 3)
    traffic(node, 500, users: 7, seed: 0x5eed_0022)
    try node.plane.stop()
    let account = node.plane.account()
    #expect(account.isBalanced)
    #expect(account.inFlight == 0)
  }

  @Test func `a worker that cannot be registered is an error, and the others end`() throws {
    let registry = FailingRegistry(failAt: 1)
    let error = #expect(throws: Refusal.self) { try TestNode(workers: 2, registry: registry) }
    #expect(error?.message == "no more")
    #expect(eventually { registry.isEmpty })
  }

  @Test func `a processor that is not there is an error that names it`() throws {
    let doorbell = try Doorbell()
    let n3 = try MemoryPort(.n3, doorbell: doorbell)
    let n6 = try MemoryPort(.n6, doorbell: doorbell)
    let seat = WorkerSeat(
      doorbell: doorbell, n3: .memory(n3), n6: .memory(n6), processor: 4000)
    var options = UserPlaneOptions(seats: [seat], n3Address: .init(rawValue: Site.n3))
    options.limits = TestNode.smallLimits
    let plane = try UserPlane(options, sessions: [])
    let error = #expect(throws: Refusal.self) { try plane.start(PuppetRegistry()) }
    #expect(error?.message.contains("4000") == true)
  }
}
