import Glibc
import Platform
import TestSupport
import Testing

@Suite("Assistant thread")
struct AssistantThreadTests {
  @Test func `pieces are done in the order in which they are given, by another thread`() {
    let done = Guarded<[(number: Int, thread: Int32)]>([])
    AssistantThread.with("assistant-order") { assistant in
      let waits = (0..<100).map { number in
        assistant.begin { done.withLock { $0.append((number, CurrentThread.id)) } }
      }
      // A piece that is waited for before it is begun is not done: so who waits does it later.
      #expect(eventually { done.withLock { $0.count } == 100 })
      for wait in waits { wait?() }
    }
    #expect(done.withLock { $0.map(\.number) } == Array(0..<100))
    #expect(done.withLock { Set($0.map(\.thread)).count } == 1)
    #expect(done.withLock { $0.first?.thread } != CurrentThread.id)
  }

  @Test func `who waits for a piece in progress waits until it is done`() {
    let stage = Monitor(0)
    AssistantThread.with("assistant-wait") { assistant in
      let wait = assistant.begin {
        stage.withLock { $0 = 1 }
        _ = stage.wait(until: .after(50_000_000)) { $0 == 2 ? true : nil }
        stage.withLock { $0 = 3 }
      }
      _ = stage.wait(until: .after(.max)) { $0 == 1 ? true : nil }
      wait?()
      #expect(stage.withLock { $0 } == 3)
    }
  }

  @Test func `a piece that is waited for before it is begun is taken back`() {
    let stage = Monitor(0)
    let isDone = Guarded(false)
    AssistantThread.with("assistant-back") { assistant in
      let first = assistant.begin {
        stage.withLock { $0 = 1 }
        _ = stage.wait(until: .after(.max)) { $0 == 2 ? true : nil }
      }
      let second = assistant.begin { isDone.withLock { $0 = true } }
      _ = stage.wait(until: .after(.max)) { $0 == 1 ? true : nil }
      second?()
      stage.withLock { $0 = 2 }
      first?()
    }
    #expect(!isDone.withLock { $0 })
  }

  @Test func `the thread is gone when an error leaves, and pieces that wait are never done`() throws
  {
    struct Failure: Error {}
    let stage = Monitor(0)
    let isDone = Guarded(false)
    #expect(throws: Failure.self) {
      try AssistantThread.with("assistant-throw") { (assistant) throws(Failure) in
        _ = assistant.begin {
          stage.withLock { $0 = 1 }
          _ = stage.wait(until: .after(50_000_000)) { $0 == 2 ? true : nil }
        }
        _ = stage.wait(until: .after(.max)) { $0 == 1 ? true : nil }
        _ = assistant.begin { isDone.withLock { $0 = true } }
        #expect(threadNames().contains("assistant-throw"))
        throw Failure()
      }
    }
    #expect(eventually { !threadNames().contains("assistant-throw") })
    #expect(!isDone.withLock { $0 })
  }

  @Test func `without a piece there is no thread, and after the end nobody to begin one`() {
    let kept = AssistantThread.with("assistant-none") { assistant in
      #expect(!assistant.hasStarted)
      return assistant
    }
    #expect(kept.begin {} == nil)
    #expect(!kept.hasStarted)
  }

  @Test func `the thread has the place of the one that it works for`() throws {
    let found = Guarded<[String]>([])
    let placement = ThreadPlacement(processors: [0], nice: 7)
    let thread = try SystemThread.start("assisted", at: placement) {
      AssistantThread.with("assistant-place") { assistant in
        let wait = assistant.begin { found.withLock { $0 = place() } }
        while found.withLock({ $0.isEmpty }) { sched_yield() }
        wait?()
      }
    }
    thread.join()
    #expect(found.withLock { $0 } == ["0", "7"])
  }
}

/// The processors of the calling thread, as the kernel prints them, and its nice value.
private func place() -> [String] {
  let folder = "/proc/self/task/\(CurrentThread.id)"
  let status = String(decoding: contents(of: "\(folder)/status") ?? [], as: UTF8.self)
  let stat = String(decoding: contents(of: "\(folder)/stat") ?? [], as: UTF8.self)
  let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
  // Behind the name in brackets: the state is field 3, nice 19.
  let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
  return [
    String(line?.split(separator: "\t").last ?? ""), fields.count > 16 ? String(fields[16]) : "",
  ]
}
