import CTestSystem
import Platform
import Refusal
import TestSupport
import Testing

@testable import Agent

/// The thread that looks at a candidate when nobody asks.
@Suite("Timer of a trial")
struct TimerTests {
  let site: Site

  init() throws { site = try Site() }

  /// The candidate used to be in force all the same, and nobody would ever have looked at it.
  @Test func `without a thread for the timer nothing is put in force, and with one it is again`()
    throws
  {
    site.options.confirmTimeout = 3_000_000_000
    let agent = try site.start()
    defer { try? agent.close() }
    let worker = try TestWorker(agent)
    defer { worker.stop() }
    let number = try agent.install(patch: try site.patch())
    // The agent's other threads are there from here on.
    _ = try agent.activate(number)
    _ = try? agent.rollback(number)
    #expect(eventually { agent.state.withLock { $0.timer == .idle && $0.operation == nil } })
    let before = agent.status()
    let refused = try #require(throws: Refusal.self) {
      try withoutThreads { _ = try agent.activate(number) }
    }
    #expect(refused.message.contains("pthread_create"), "\(refused)")
    #expect(refused.hint?.contains("one more thread") == true)
    let after = agent.status()
    #expect(after.transactionState == .rolledBack && after.lastSwap == before.lastSwap)
    #expect(after.counters.activations == before.counters.activations)
    let batches = worker.batches
    #expect(eventually { worker.batches > batches + 10 })
    #expect(worker.results == [31, 31])
    #expect(agent.state.withLock { $0.timer == .idle && $0.due == nil })
    // And the timer keeps its word.
    _ = try agent.activate(number)
    #expect(eventually { agent.status().counters.rollbacks > before.counters.rollbacks })
    #expect(eventually { worker.results == [31, 31] })
    // The line is written when the grace period is over.
    let isTold = eventually {
      let log = String(decoding: contents(of: "\(site.state)/audit.jsonl") ?? [], as: UTF8.self)
      return log.contains(#""reason":"not_confirmed""#)
    }
    #expect(isTold)
  }

  /// Runs `body` where no thread can be made.
  private func withoutThreads(_ body: @escaping @Sendable () throws -> Void) throws {
    try Order {
      try #require(test_threads_forbid() == 0)
      try body()
    }.get()
  }
}
