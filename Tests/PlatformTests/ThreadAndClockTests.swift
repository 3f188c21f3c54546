import Glibc
import Platform
import TestSupport
import Testing

@Suite("Threads and clocks")
struct ThreadAndClockTests {
  @Test func `a thread carries its name, cut to what the kernel keeps`() throws {
    let box = NameBox()
    let thread = try SystemThread.start("hitless-a-rather-long-name") {
      box.set("/proc/self/task/\(CurrentThread.id)/comm")
    }
    thread.join()
    #expect(box.name == "hitless-a-rathe\n")
  }

  @Test func `no asynchronous signal reaches the thread, faults still do`() throws {
    let box = NameBox()
    let thread = try SystemThread.start("signals") {
      box.set("/proc/self/task/\(CurrentThread.id)/status")
    }
    thread.join()
    let line = try #require(box.name.split(separator: "\n").first { $0.hasPrefix("SigBlk:") })
    let digits = try #require(line.split(separator: "\t").last)
    let mask = try #require(UInt64(digits, radix: 16))
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD] {
      #expect(mask & 1 << UInt64(signal - 1) != 0)
    }
    for signal in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT] {
      #expect(mask & 1 << UInt64(signal - 1) == 0)
    }
  }

  @Test func `a processor that does not exist is an error`() throws {
    let box = NameBox()
    let thread = try SystemThread.start("pinned") {
      do throws(SystemError) {
        try CurrentThread.setProcessors([0])
        try CurrentThread.setProcessors([-1])
      } catch {
        box.replace(error.description)
      }
    }
    thread.join()
    #expect(box.name.contains("Invalid argument"))
  }

  @Test func `a deadline far away never overflows`() {
    #expect(Deadline.after(.max).time == .max)
    #expect(Deadline.after(.max).pollTimeout == 86_400_000)
    #expect(!Deadline.after(.max).hasPassed)
    #expect(Deadline.after(0).hasPassed)
    #expect(Deadline.after(0).pollTimeout == 0)
  }

  @Test func `the clocks tell nanoseconds`() {
    let start = MonotonicClock.now
    #expect(eventually { MonotonicClock.now > start + 1_000_000 })
    // After 2020, before 2100.
    #expect((1_577_836_800_000_000_000...4_102_444_800_000_000_000).contains(WallClock.now))
  }
}

/// What a thread found out about itself.
private final class NameBox: Sendable {
  private let value = Guarded("")

  var name: String { value.withLock { $0 } }

  func replace(_ text: String) { value.withLock { $0 = text } }

  func set(_ path: String) {
    replace(String(decoding: contents(of: path) ?? [], as: UTF8.self))
  }
}
