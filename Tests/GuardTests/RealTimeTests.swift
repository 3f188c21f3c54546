import Agent
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
    /// When it was with stable again, and how long after its start.
    var fellBackAt: UInt64 = 0
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

  /// Timer, watchdog and who answers for faults are where the worker is.
  ///
  /// The operator is not, and asks all the time.
  @Test(.enabled(if: isPossible, need))
  func `a worker beside a starved agent falls back when nobody has confirmed in time`() async {
    await #expect(processExitsWith: .success) {
      let processor = try #require(RealTime.lastProcessor)
      let isTakenBack = Guarded(false)
      let home = try GuardedAgent { options in
        options.threads = ThreadPlacement(processors: [processor])
        options.confirmTimeout = 300_000_000
        options.log = { _, message in
          if message.contains("rolled-back") { isTakenBack.withLock { $0 = true } }
        }
      }
      let result = Guarded<Burst?>(nil)
      let (thread, number) = try RealTimeTests.start(home, .segv, on: processor) { worker in
        let burst = RealTimeTests.run(
          worker, from: MonotonicClock.now, for: 10_000_000_000, until: [1, 2, 1]
        ) {
          isTakenBack.withLock { $0 }
        }
        result.withLock { $0 = burst }
      }
      isTakenBack.withLock { $0 = false }
      let activated = MonotonicClock.now
      _ = try home.agent.activate(number)
      while result.withLock({ $0 == nil }) { _ = (home.agent.status(), home.agent.metrics()) }
      thread.join()
      let burst = try #require(result.withLock { $0 })
      print("real-time: \(burst)")
      #expect(burst.waits == 0)
      #expect(burst.versions == [1, 2, 1])
      // If the kernel has let the timer run all the same, it was the timer that ended the trial, perhaps.
      if !burst.agentRan { #expect(burst.fellBackAt >= activated + 300_000_000) }
      #expect(eventually { home.agent.status().transactionState == .rolledBack })
      #expect(eventually { isTakenBack.withLock { $0 } })
    }
  }

  /// As above, where the candidate does not come back: the watchdog alone gets the processor, above the worker.
  ///
  /// Whoever had asked the agent before how the watchdog would fare got it no priority at all.
  @Test(.enabled(if: isPossible, need))
  func `a worker beside a starved agent is taken out of a loop, and the candidate afterwards`()
    async
  {
    await #expect(processExitsWith: .success) {
      let processor = try #require(RealTime.lastProcessor)
      let home = try GuardedAgent { options in
        options.threads = ThreadPlacement(processors: [processor])
        options.guarding.batchBudget = 40_000_000
      }
      let isArmed = Guarded(false)
      let marks = Guarded<[Int32]>([])
      let (thread, number) = try RealTimeTests.start(
        home, .loop, on: processor, isWarm: false
      ) { worker in
        while !isArmed.withLock({ $0 }) { _ = worker.run() }
        let before = RealTime.threadTime
        let mark = worker.run(trigger: true)
        // Without a priority the watchdog would wait until the kernel takes the processor from the worker.
        #expect(RealTime.threadTime - before < 250_000_000)
        marks.withLock { $0 = [mark, worker.run()] }
        #expect(worker.applied == (worker.runs - 1) * UInt64(HandWorker.packetCount))
      }
      _ = home.agent.doctor()
      _ = try home.agent.activate(number)
      isArmed.withLock { $0 = true }
      thread.join()
      #expect(marks.withLock { $0 } == [1, 1])
      #expect(eventually { home.agent.status().transactionState == .rolledBack })
      #expect(eventually { home.audited("faulted") == 1 })
    }
  }

  /// Starts a worker that never rests once it has its real-time priority, and does `body` then.
  ///
  /// Returns its thread, which has begun with that, and the transaction of a candidate, which it has run before if it `isWarm`.
  private static func start(
    _ home: GuardedAgent, _ failure: Failure, on processor: Int32, isWarm: Bool = true,
    _ body: @escaping @Sendable (borrowing HandWorker) -> Void
  ) throws -> (PlainThread, UInt64) {
    let number = try home.install(failure)
    let mark = Guarded<Int32>(0)
    let mayBegin = Guarded(!isWarm)
    let isRunning = Guarded(false)
    let thread = try PlainThread("real-time") {
      do {
        try CurrentThread.setProcessors([processor])
        let worker = try HandWorker(home)
        while !mayBegin.withLock({ $0 }) {
          let version = worker.run()
          mark.withLock { $0 = version }
        }
        #expect(RealTime.enter(priority: 10))
        isRunning.withLock { $0 = true }
        body(worker)
        try worker.end()
      } catch {
        Issue.record(error)
      }
    }
    if isWarm {
      _ = try home.agent.activate(number)
      #expect(eventually { mark.withLock { $0 } == 2 })
      try home.agent.rollback(number)
      #expect(eventually { mark.withLock { $0 } == 1 })
      mayBegin.withLock { $0 = true }
    }
    #expect(eventually { isRunning.withLock { $0 } })
    return (thread, number)
  }

  /// Runs batches without a pause, until the versions that were met are `end`, if they ever are; takes no lock that another
  /// thread may hold but where the version changes.
  private static func run(
    _ worker: borrowing HandWorker, from start: UInt64, for duration: UInt64,
    until end: [Int32]? = nil, agentRan: () -> Bool
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
        burst.fellBackAt = MonotonicClock.now
        burst.fellBackAfter = burst.fellBackAt - start
        burst.agentRan = agentRan()
      }
      if burst.versions == end { break }
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
