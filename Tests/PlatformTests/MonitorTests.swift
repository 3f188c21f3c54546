import Platform
import TestSupport
import Testing

@Suite("Monitor")
struct MonitorTests {
  @Test func `what a condition changes as it holds wakes who waits for it`() throws {
    let stage = Monitor(1)
    let (isAsleep, isOver) = (Monitor(false), Monitor(false))
    // Never gives up, or it would look once more at its deadline.
    let waiter = try SystemThread.start("waiter") {
      _ = stage.wait(until: .after(.max)) { number -> Bool? in
        isAsleep.withLock { $0 = true }
        return number == 2 ? true : nil
      }
      isOver.withLock { $0 = true }
    }
    #expect(eventually { isAsleep.withLock { $0 } })
    // The waiter gave the lock up as it fell asleep, so it is asleep when this condition holds, at its first look.
    // Nothing else touches the monitor: that would wake the waiter, too.
    _ = stage.wait(until: .after(.max)) { number -> Bool? in
      number = 2
      return true
    }
    try #require(eventually { isOver.withLock { $0 } })
    waiter.join()
  }

  @Test func `a deadline in the past looks once and gives up`() {
    let stage = Monitor(7)
    #expect(stage.wait(until: .at(0)) { $0 == 8 ? true : nil } == nil)
    #expect(stage.wait(until: .at(0)) { $0 == 7 ? $0 : nil } == 7)
  }
}
