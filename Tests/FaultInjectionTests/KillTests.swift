import Foundation
import TestSupport
import Testing

/// `kill -9` in place of each system call that touches a file, a memory file, a socket or a process, in every
/// order of a life: between two calls nothing changes that the next process could see.
@Suite("A host that is killed at a system call", .serialized, .announcingCalls)
struct KillTests {
  /// Where the sample begins; print it with a failure and the same points are tried again.
  static let seed: UInt64 = 1

  @Test func `comes up on the confirmed set, with a whole log and every object it needs`() throws {
    let site = try FaultSite()
    let points = try FaultPlan(site).points
    #expect(points.count > 100)
    for point in FaultPlan.sample(points, 12, seed: Self.seed, point: { $0 }) {
      let state = try site.copy("killed")
      let host = try FaultedHost(site, state: state)
      let isDone = try Self.live(host, until: point, site)
      let restart = try Restart(site, state)
      Self.expect(restart, after: point, isDone: isDone, site)
    }
  }

  /// Lets the host do what comes before `point`, and kills it there; whether the order was done before.
  ///
  /// How often the host looks at its helper varies: where it makes fewer calls than in the plan, it is killed
  /// when it has answered.
  private static func live(
    _ host: FaultedHost, until point: FaultPoint, _ site: FaultSite
  ) throws -> Bool {
    let orders = Life.orders(site)
    for words in orders[..<point.order] {
      try #require(try host.order(words) == "ok ")
    }
    var count = 0
    let answer = try host.order(orders[point.order]) { _ in
      defer { count += 1 }
      return count == point.call ? .killed : .made
    }
    #expect(answer == nil || answer == "ok ", "\(point)")
    host.kill()
    return answer != nil
  }

  private static func expect(
    _ restart: Restart, after point: FaultPoint, isDone: Bool, _ site: FaultSite
  ) {
    let orders = Life.orders(site).map { $0.prefix { $0 != " " } }
    let confirm = orders.firstIndex(of: "confirm") ?? 0
    let old = FaultSite.results[Life.old]
    let new = FaultSite.results[Life.new]
    let isConfirmed = point.order > confirm || point.order == confirm && isDone
    let allowed = point.order < confirm ? [old] : isConfirmed ? [new] : [old, new]
    #expect(allowed.contains(restart.result), "\(point): \(restart.result) (seed \(seed))")
    #expect(restart.problems == [], "\(point) (seed \(seed))")
    // A candidate that was in force, and that no confirmation reached, counts as rolled back.
    let wasOnTrial =
      orders[point.order] == "confirm" && restart.result == old
      || orders[point.order] == "rollback" && point.call == 0
    let neverOnTrial =
      ["start", "install", "freeze", "release", "close"].contains(orders[point.order])
    let frozen = Life.isFrozen(after: String(orders[point.order]), isDone: isDone)
    #expect(frozen.contains(restart.isFrozen), "\(point): frozen: \(restart.isFrozen)")
    if wasOnTrial { #expect(restart.rollbacks == "ok 1", "\(point)") }
    if neverOnTrial && point.order != confirm - 1 {
      #expect(restart.rollbacks == "ok 0", "\(point)")
    }
    let said = restart.lines.contains { $0.contains("\"event\":\"rolled-back\"") }
    #expect(said || restart.rollbacks == "ok 0", "\(point)")
  }
}
