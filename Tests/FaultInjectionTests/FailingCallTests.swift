import Glibc
import TestSupport
import Testing

/// Each system call of each order fails in turn, with each of the errors that a system at its limits has.
@Suite("A host with a system call that fails", .serialized, .announcingCalls)
struct FailingCallTests {
  static let errors = [ENOSPC, EIO, EMFILE, ENOMEM, EINTR]
  static let seed: UInt64 = 1

  @Test func `refuses or succeeds, leaks nothing, loses nothing, and can be asked again`() throws {
    let site = try FaultSite()
    // A close that is not made leaks by itself, and no kernel refuses one.
    let plan = try FaultPlan(site)
    let points = plan.points.filter { $0.name != "close" }
    let faults = points.flatMap { point in Self.errors.map { (point, $0) } }
    for (point, error) in FaultPlan.sample(faults, 18, seed: Self.seed, point: \.0) {
      try Self.fail(point, error, site, plan)
    }
  }

  private static func fail(
    _ point: FaultPoint, _ error: Int32, _ site: FaultSite, _ plan: FaultPlan
  ) throws {
    let comment = "\(point) with error \(error) (seed \(seed))"
    let state = try site.copy("failing")
    let host = try FaultedHost(site, state: state)
    let orders = Life.orders(site)
    for words in orders[..<point.order] {
      try #require(try host.order(words) == "ok ", "\(comment)")
    }
    let before = try host.order("descriptors")
    var count = 0
    var hasFailed = false
    let answer = try host.order(orders[point.order]) { call in
      defer { count += 1 }
      // How often the host looks at its helper varies, so this may be another call than in the plan.
      guard count >= point.call, !hasFailed, call.name != "close" else { return .made }
      hasFailed = true
      return .failed(error)
    }
    let text = try #require(answer, "\(comment): the host has ended")
    let isConfirm = orders[point.order] == "confirm"
    let isLate = point.order > (orders.firstIndex(of: "confirm") ?? 0)
    let isRefused = text.hasPrefix("refused")
    let expected = isLate || isConfirm && !isRefused ? Life.new : Life.old
    let wanted = isRefused ? before : plan.descriptors[point.order]
    // Threads that are about to end may take a moment.
    let isClean = eventually { (try? host.order("descriptors")) == wanted }
    #expect(isClean, "\(comment): \(text), open: \(host.openFiles)")
    if isRefused {
      // What a crash right after the refusal would find.
      let restart = try Restart(site, try site.copy("after", of: state))
      #expect(restart.result == FaultSite.results[expected], "\(comment): \(text)")
      #expect(restart.problems == [], "\(comment): \(text)")
      let again = try host.order(orders[point.order])
      #expect(again == "ok ", "\(comment): \(text), then \(again ?? "ended")")
    }
    // A record of breakers that could not be read keeps patches out until an operator has looked.
    if orders[point.order] == "start" && !isRefused {
      if try host.order("frozen") == "ok true" { #expect(try host.order("release") == "ok ") }
    }
    for words in orders[(point.order + 1)...] {
      let answer = try host.order(words)
      #expect(answer == "ok ", "\(comment): \(text), then '\(words)': \(answer ?? "ended")")
    }
    host.kill()
    let restart = try Restart(site, state)
    #expect(restart.result == FaultSite.results[Life.new], "\(comment): \(text)")
    #expect(restart.problems == [], "\(comment): \(text)")
  }
}
