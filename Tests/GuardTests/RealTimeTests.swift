import CHitless
import CPlatform
import Glibc
import Guard
import HotSwap
import Platform
import TestSupport
import Testing

/// Workers that the kernel runs before anything else, and an agent that gets no processor meanwhile.
///
/// Each burst takes one processor for less than the kernel lets real-time threads have it, and only when there is another.
/// Each test is a process of its own: a page that a worker touches for the first time waits for whoever maps memory in
/// the same process, and other tests do that all the time.
@Suite("Real-time hosts", .serialized)
struct RealTimeTests {
  private static let isPossible =
    RealTime.isAllowed && sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1 && !Sanitizer.isThread
  private static let need: Comment = "takes CAP_SYS_NICE and two processors"

  /// What one worker has seen of its burst.
  private struct Burst {
    var batches = 0
    var versions: [Int32] = []
    /// How often it has given its processor away by itself: what waits does that.
    var waits: UInt64 = 0
    var fellBackAfter: UInt64 = 0
    var agentRan = false
  }

  @Test(.enabled(if: isPossible, need))
  func `a worker that never rests falls back at the deadline while the agent is starved`() async {
    await #expect(processExitsWith: .success) {
      let processor = try #require(RealTime.lastProcessor)
      let home = try GuardedDomain()
      let rollback = Guarded<UInt64>(0)
      let isDue = Guarded(false)
      let deadline: UInt64 = 80_000_000
      let result = Guarded(Burst())
      // The agent's thread: of normal priority, where the worker is. It would take the candidate back.
      let agent = try PlainThread("agent") {
        try? CurrentThread.setProcessors([processor])
        while !isDue.withLock({ $0 }) { usleep(1000) }
        _ = try? home.goBack()
        rollback.withLock { $0 = MonotonicClock.now }
      }
      let thread = try PlainThread("real-time") {
        do {
          try CurrentThread.setProcessors([processor])
          let worker = try HandWorker(home)
          let start = MonotonicClock.now
          try home.tryCandidate(deadline: start + deadline)
          #expect(RealTime.enter(priority: 10))
          isDue.withLock { $0 = true }
          let burst = RealTimeTests.run(worker, from: start, for: 4 * deadline) {
            rollback.withLock { $0 != 0 }
          }
          result.withLock { $0 = burst }
          try worker.end()
        } catch {
          Issue.record(error)
        }
      }
      thread.join()
      agent.join()
      let burst = result.withLock { $0 }
      print("real-time: \(burst)")
      #expect(burst.waits == 0)
      #expect(burst.batches > 10 && burst.versions == [2, 1])
      // If the kernel has let the agent run all the same, it was the agent that ended the trial, perhaps.
      if !burst.agentRan {
        #expect(home.room.all.reduce(0) { $0 + $1.expirations } == 1)
        #expect(burst.fellBackAfter >= deadline)
      }
      #expect(rollback.withLock { $0 } > 0)
    }
  }

  /// Runs batches without a pause; takes no lock that another thread may hold but at the end.
  private static func run(
    _ worker: borrowing HandWorker, from start: UInt64, for duration: UInt64, agentRan: () -> Bool
  ) -> Burst {
    var burst = Burst()
    // What grows during the burst could wait for memory.
    burst.versions.reserveCapacity(1024)
    // The code of the loop has been run once before anything is counted.
    burst.batches = 1
    burst.versions.append(worker.run())
    var (before, after, ignored) = (UInt64(0), UInt64(0), UInt64(0))
    // SAFETY: the results are ours.
    _ = unsafe hitless_shim_thread_switches(&before, &ignored)
    while MonotonicClock.now - start < duration {
      let version = worker.run()
      burst.batches += 1
      guard burst.versions.last != version else { continue }
      burst.versions.append(version)
      if version == 1 {
        burst.fellBackAfter = MonotonicClock.now - start
        burst.agentRan = agentRan()
      }
    }
    _ = unsafe hitless_shim_thread_switches(&after, &ignored)
    burst.waits = after - before
    return burst
  }

  /// Whoever publishes takes locks and waits; a worker never does, also while it is published to.
  @Test(.enabled(if: isPossible, need))
  func `a worker is never kept waiting by publications and announcements`() async {
    await #expect(processExitsWith: .success) {
      let processor = try #require(RealTime.lastProcessor)
      let home = try GuardedDomain { $0.batchBudget = 50_000_000 }
      let isOver = Guarded(false)
      let swaps = Guarded(0)
      let agent = try PlainThread("agent") {
        while !isOver.withLock({ $0 }) {
          _ = try? home.domain.announce(home.candidate, timeout: 0)
          _ = try? home.tryCandidate()
          guard let publication = try? home.domain.publish(stable: home.stable) else { continue }
          _ = home.domain.waitForGrace(publication, timeout: 1_000_000)
          swaps.withLock { $0 += 1 }
        }
      }
      let result = Guarded(Burst())
      let thread = try PlainThread("real-time") {
        do {
          try CurrentThread.setProcessors([processor])
          let worker = try HandWorker(home)
          #expect(RealTime.enter(priority: 10))
          let burst = RealTimeTests.run(worker, from: MonotonicClock.now, for: 300_000_000) {
            false
          }
          result.withLock { $0 = burst }
          #expect(worker.applied == UInt64(burst.batches * HandWorker.packetCount))
          #expect(worker.torn == 0)
          try worker.end()
        } catch {
          Issue.record(error)
        }
      }
      thread.join()
      isOver.withLock { $0 = true }
      agent.join()
      let burst = result.withLock { $0 }
      let count = swaps.withLock { $0 }
      print("real-time: \(burst.batches) batches, \(count) swaps, \(burst.waits) waits")
      #expect(burst.waits == 0 && burst.batches > 10)
    }
  }
}
