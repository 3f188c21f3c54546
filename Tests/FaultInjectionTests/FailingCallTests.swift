import Glibc
import TestSupport
import Testing

/// Each system call of each order fails in turn, with each of the errors that a system at its limits has.
@Suite("A host with a system call that fails", .serialized, .announcingCalls)
struct FailingCallTests {
  static let errors = [ENOSPC, EIO, EMFILE, ENOMEM, EINTR]
  static let seed: UInt64 = 1
  /// Whose orders that are tried ask for no memory, or for what those of the life by hand ask for.
  static let withoutMemory: [Life.Way] = [.doomed, .damagedTrial, .damagedStable]

  @Test(arguments: Life.Way.allCases)
  func `refuses or succeeds, leaks nothing, loses nothing, and can be asked again`(
    way: Life.Way
  ) throws {
    let life = try Life(way)
    let plan = try FaultPlan(life)
    // A close that is not made leaks by itself, and no kernel refuses one.
    let points = plan.points.filter { $0.name != "close" && !$0.isMemory }
    let faults = points.flatMap { point in Self.errors.map { (point, $0) } }
    let count = way == .byHand ? 8 : 2
    let sample = FaultPlan.sample(faults, count, seed: Self.seed, point: \.0)
    // For memory few calls are made, which fail in one way only: each is tried. Those of the doomed are by hand.
    let memory = way == .doomed ? [] : plan.points.filter(\.isMemory).map { ($0, ENOMEM) }
    #expect(memory.isEmpty == Self.withoutMemory.contains(way))
    for (failures, kind) in [(sample, "calls"), (memory, "calls for memory")] {
      var missed: [FaultPoint] = []
      for (point, error) in failures where try !Failure(point, error, life, plan).happen() {
        missed.append(point)
      }
      // How often the host looks at its helper varies, so the last calls of an order are not always made.
      let limit = max(1, failures.count / 2)
      #expect(missed.count <= limit, "\(kind) that did not fail: \(missed)")
    }
  }
}

/// A call that fails in the course of a life, and what is expected from there on.
struct Failure: CustomStringConvertible {
  private let point: FaultPoint
  private let error: Int32
  private let life: Life
  private let plan: FaultPlan

  init(_ point: FaultPoint, _ error: Int32, _ life: Life, _ plan: FaultPlan) {
    (self.point, self.error, self.life, self.plan) = (point, error, life, plan)
  }

  var description: String { "\(point) with error \(error) (seed \(FailingCallTests.seed))" }

  /// Has the call fail, and looks at everything from there on; false when the call was not made.
  func happen() throws -> Bool {
    let host = try LivingHost(life, "failing")
    try host.live(until: point.order, "\(self)")
    let before = try host.order("descriptors")
    let (answer, hasFailed) = try giveOrder(host)
    let text = try #require(answer, "\(self): the host has ended")
    let isRefused = text.hasPrefix("refused")
    try expectClean(host, isRefused ? before : plan.descriptors[point.order], text)
    if isRefused {
      try expectUnchanged(host, text)
      let again = try host.order(order.words)
      #expect(again == "ok ", "\(self): \(text), then \(again ?? "ended")")
    }
    // A record of breakers that could not be read keeps patches out until an operator has looked.
    if order.verb == "open" && !isRefused {
      if try host.order("frozen") == "ok true" { #expect(try host.order("release") == "ok ") }
    }
    try goOn(host, text)
    return hasFailed
  }

  private var order: Order { life.orders[point.order] }

  /// Gives the order in which the call fails; returns the answer, nil when the host has ended, and whether it failed.
  private func giveOrder(_ host: LivingHost) throws -> (String?, Bool) {
    var (count, hasFailed, isMadeUpFor) = (0, false, point.name != "mprotect")
    let answer = try host.order(order.words) { call in
      defer { count += 1 }
      // How often the host looks at its helper varies, so this may be another call than in the plan.
      guard count >= point.call, !hasFailed, call.name != "close", call.isMemory == point.isMemory
      else {
        if hasFailed && call.name == "mprotect" { isMadeUpFor = true }
        return .made
      }
      hasFailed = true
      return .failed(error)
    }
    // Nothing is protected for no reason: who goes on without has protected something else instead, or says so.
    #expect(
      answer != "ok " || !hasFailed || isMadeUpFor || host.isUnguarded,
      "\(self): protection of memory has failed, and nobody cares")
    return (answer, hasFailed)
  }

  private func expectClean(_ host: LivingHost, _ wanted: String?, _ text: String) throws {
    // Threads that are about to end may take a moment; and a start may do without the set before, if it says so, and
    // has less open then.
    let isClean = eventually(within: 10) {
      guard let open = try? host.order("descriptors") else { return false }
      return open == wanted || host.isUnguarded && Self.count(open) <= Self.count(wanted)
    }
    #expect(isClean, "\(self): \(text), open: \(host.openFiles)")
    try expectRecords(host, order, text)
  }

  private static func count(_ answer: String?) -> Int {
    answer.flatMap { Int($0.drop { !$0.isNumber }) } ?? .max
  }

  /// What a crash right after the refusal would find.
  private func expectUnchanged(_ host: LivingHost, _ text: String) throws {
    let restart = try Restart(life.site, try life.site.copy("after", of: host.state))
    #expect(restart.result == life.result(order.before), "\(self): \(text)")
    #expect(restart.problems == [], "\(self): \(text)")
  }

  /// The rest of the life is as if nothing had been, and so is the next one.
  private func goOn(_ host: LivingHost, _ text: String) throws {
    for next in life.orders[(point.order + 1)...] {
      let answer = try host.order(next.words)
      #expect(
        answer == "ok ", "\(self): \(text), then '\(next.words)': \(answer ?? "ended")")
      try expectRecords(host, next, text)
    }
    host.kill()
    let restart = try Restart(life.site, host.state)
    let last = life.orders[life.orders.count - 1]
    #expect(restart.result == life.result(last.after), "\(self): \(text)")
    #expect(restart.problems == [], "\(self): \(text)")
  }

  /// Records say what the books say, wherever they lie.
  private func expectRecords(_ host: LivingHost, _ order: Order, _ text: String) throws {
    guard !["prepare", "open", "start", "close"].contains(order.verb), let flaws = try host.flaws()
    else { return }
    #expect(flaws == "ok 0", "\(self): \(text), records after '\(order.words)'")
  }
}
