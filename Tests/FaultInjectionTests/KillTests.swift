import TestSupport
import Testing

/// `kill -9` in place of each system call that touches a file, memory, a socket or a process, in every order of
/// several lives: between two calls nothing changes that the next process could see.
@Suite("A host that is killed at a system call", .serialized, .announcingCalls)
struct KillTests {
  /// Where the sample begins; print it with a failure and the same points are tried again.
  static let seed: UInt64 = 1

  @Test(arguments: Life.Way.allCases)
  func `comes up on the confirmed set, with a whole log and every object it needs`(
    way: Life.Way
  ) throws {
    let life = try Life(way)
    let plan = try FaultPlan(life)
    #expect(plan.points.count > (way == .byHand ? 100 : 10))
    // The first call of each, so that what was answered before it is looked at, and others.
    let sample = FaultPlan.sample(
      plan.points, way == .byHand ? 8 : 1, seed: Self.seed, always: { $0.call == 0 }, point: { $0 })
    for point in sample {
      let host = try LivingHost(life, "killed")
      let isDone = try Self.kill(host, at: point, life)
      let restart = try Restart(life.site, host.state)
      let died = Death(point: point, isDone: isDone, order: life.orders[point.order])
      Self.expect(restart, after: died, life)
      Self.expectWhole(host.records, after: died, plan)
    }
  }

  /// How a host has ended.
  private struct Death: CustomStringConvertible {
    let point: FaultPoint
    /// Whether the order was answered before.
    let isDone: Bool
    let order: Order

    var description: String { "\(point)\(isDone ? ", answered" : "") (seed \(seed))" }
  }

  /// Lets the host do what comes before `point`, and kills it there; whether the order was done before.
  ///
  /// How often the host looks at its helper varies: where it makes fewer calls than in the plan, it is killed
  /// when it has answered.
  private static func kill(_ host: LivingHost, at point: FaultPoint, _ life: Life) throws -> Bool {
    try host.live(until: point.order, "\(point)")
    var count = 0
    let answer = try host.order(life.orders[point.order].words) { _ in
      defer { count += 1 }
      return count == point.call ? .killed : .made
    }
    #expect(answer == nil || answer == "ok ", "\(point)")
    host.kill()
    return answer != nil
  }

  private static func expect(_ restart: Restart, after death: Death, _ life: Life) {
    let order = death.order
    let possible =
      death.isDone
      ? [order.after] : death.point.call == 0 ? [order.before] : [order.before, order.after]
    #expect(
      possible.map(life.result).contains(restart.result), "\(death): \(restart.result)")
    #expect(possible.map(\.isFrozen).contains(restart.isFrozen), "\(death): \(restart.isFrozen)")
    #expect(restart.problems == [], "\(death)")
    // A candidate that was in force, and that no confirmation reached, counts as rolled back.
    let hasStayed = restart.result == life.result(order.before)
    let isCertain =
      death.isDone
      ? order.after.isOnTrial
      : order.before.isOnTrial
        && (order.after.isOnTrial || death.point.call == 0
          || order.after.isNew != order.before.isNew && hasStayed)
    let isPossible = order.before.isOnTrial || order.mayBeginTrial
    if isCertain { #expect(restart.rollbacks == "ok 1", "\(death)") }
    if !isPossible { #expect(restart.rollbacks == "ok 0", "\(death)") }
    let said = restart.lines.contains { $0.contains("\"event\":\"rolled-back\"") }
    #expect(said || restart.rollbacks == "ok 0", "\(death)")
  }

  /// Records that the host keeps itself are each as they were before the order, or as they are after it.
  private static func expectWhole(_ records: [UInt8], after death: Death, _ plan: FaultPlan) {
    let number = death.point.order
    let before = number > 0 ? plan.records[number - 1] : records
    let after = plan.records[number]
    let size = 24
    let torn = stride(from: 0, to: records.count - size + 1, by: size).filter { start in
      let place = start..<start + size
      return records[place] != before[place] && records[place] != after[place]
    }
    // Of a batch in which it was killed some are written, and none half.
    #expect(torn.isEmpty || death.order.verb == "load", "\(death): \(torn.count) records")
  }
}
