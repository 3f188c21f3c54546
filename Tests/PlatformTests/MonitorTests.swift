import Glibc
import Platform
import Testing

@Suite("Monitor")
struct MonitorTests {
  @Test func `what a condition changes as it holds wakes who waits for it`() throws {
    let stage = Monitor(0)
    // Waits for 2, which only the other waiter's condition makes of 1.
    let last = try SystemThread.start("last") {
      let isMet = stage.wait(until: .after(60_000_000_000)) { $0 == 2 ? true : nil }
      stage.withLock { $0 = isMet == nil ? -1 : 3 }
    }
    let middle = try SystemThread.start("middle") {
      _ = stage.wait(until: .after(60_000_000_000)) { value -> Bool? in
        guard value == 1 else { return nil }
        value = 2
        return true
      }
    }
    // Both wait before anything happens, or the last one would look after the change and find it.
    usleep(200_000)
    stage.withLock { $0 = 1 }
    middle.join()
    last.join()
    #expect(stage.withLock { $0 } == 3)
  }

  @Test func `a deadline in the past looks once and gives up`() {
    let stage = Monitor(7)
    #expect(stage.wait(until: .at(0)) { $0 == 8 ? true : nil } == nil)
    #expect(stage.wait(until: .at(0)) { $0 == 7 ? $0 : nil } == 7)
  }
}
