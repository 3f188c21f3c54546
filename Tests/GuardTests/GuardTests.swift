import CHitless
import Glibc
import Guard
import HotSwap
import Platform
import TestSupport
import Testing

@Suite("Guard", .serialized)
struct GuardTests {
  @Test func `a worker that has left a view follows stable until there is another view`() throws {
    let home = try GuardedDomain()
    let worker = try HandWorker(home)
    #expect(worker.run() == 1)
    try home.tryCandidate()
    #expect(worker.run() == 2)
    #expect(worker.run(trigger: true) == 1)
    // The same view, without a packet that would be a fault.
    #expect(worker.run() == 1)
    #expect(worker.runs == 5)
    let fault = try #require(home.takeFault())
    #expect(fault.generation == home.candidate.number && fault.worker == "by hand")
    #expect(fault.reason.name == "SIGSEGV")
    try home.tryCandidate()
    #expect(worker.run() == 2)
    try home.goBack()
    #expect(worker.run() == 1)
    #expect(worker.applied == 6 * 32 && worker.torn == 0)
    try worker.end()
  }

  @Test func `a thousand faults in a row are a thousand batches, each applied once`() throws {
    let home = try GuardedDomain()
    let worker = try HandWorker(home)
    var times: [UInt64] = []
    for _ in 0..<1000 {
      try home.tryCandidate()
      #expect(worker.run(trigger: true) == 1)
      times.append(try #require(home.takeFault()).nanosecondsToStable)
    }
    times.sort()
    print("guard: fault to stable, median \(times[500]) ns, 990th of 1000 \(times[990]) ns")
    #expect(worker.runs == 2000 && worker.applied == 32_000 && worker.torn == 0)
    #expect(home.room.all.reduce(0) { $0 + $1.faults } == 1000)
    try worker.end()
  }

  /// While the agent answered for one fault, the next one of that worker was counted and forgotten: the candidate
  /// that was activated in between stayed in force, and could be confirmed.
  @Test func `a report that nobody has read costs the next one its details, and no more`() throws {
    let home = try GuardedDomain()
    let worker = try HandWorker(home)
    for _ in 0..<10 {
      try home.tryCandidate()
      #expect(worker.run(trigger: true) == 1)
    }
    #expect(home.room.all.reduce(0) { $0 + $1.unreported } == 9)
    #expect(home.takeFault()?.reason.name == "SIGSEGV")
    #expect(home.room.hasFault(of: home.candidate.number))
    let missed = try #require(home.takeFault())
    #expect(missed.reason == .unreported && missed.generation == home.candidate.number)
    #expect(!home.room.hasFault(of: home.candidate.number))
    try worker.end()
  }

  /// The report was looked for by the thread that had written it: that of a worker that had gone meanwhile was read,
  /// counted and logged a second time.
  @Test(arguments: [false, true])
  func `a worker that goes while its fault is answered for has told it once`(isReplaced: Bool)
    throws
  {
    let home = try GuardedDomain()
    let worker = try HandWorker(home)
    try home.tryCandidate()
    #expect(worker.run(trigger: true) == 1)
    var other: UnsafeMutablePointer<hitless_worker>?
    let fault = home.room.answerFault { _ in
      #expect(throws: Never.self) {
        try unsafe home.unregisterWorker(worker.worker)
        if isReplaced { unsafe other = try home.registerWorker(name: "another") }
      }
    }
    #expect(fault?.worker == "by hand" && fault?.reason.name == "SIGSEGV")
    #expect(!home.room.hasFault(of: home.candidate.number))
    #expect(home.room.all.reduce(0) { $0 + $1.unreported } == 0)
    if let other = unsafe other { try unsafe home.unregisterWorker(other) }
  }

  /// Nobody but the worker keeps the deadline here: there is no agent.
  @Test func `after the deadline of its view a worker is on stable without anybody's help`() throws
  {
    let home = try GuardedDomain()
    let worker = try HandWorker(home)
    try home.tryCandidate(deadline: MonotonicClock.now + 3_600_000_000_000)
    #expect(worker.run() == 2)
    try home.tryCandidate(deadline: MonotonicClock.now + 50_000_000)
    #expect(eventually { worker.run() == 1 })
    #expect(worker.run() == 1)
    #expect(home.room.all.reduce(0) { $0 + $1.expirations } == 1)
    #expect(!home.room.hasFault(of: home.candidate.number))
    try worker.end()
  }

  @Test func `a deadline is kept where the guard is off, too`() throws {
    let home = try GuardedDomain { $0.mode = .off }
    let worker = try HandWorker(home)
    try home.tryCandidate(deadline: 1)
    #expect(worker.run() == 1)
    try home.tryCandidate()
    #expect(worker.run() == 2)
    try worker.end()
  }

  @Test(.enabled(if: !Sanitizer.isThread)) func `who is late is signalled, and who is not never`()
    throws
  {
    let home = try GuardedDomain(.loop) { $0.batchBudget = 200_000_000 }
    let worker = try HandWorker(home)
    try home.tryCandidate()
    let end = MonotonicClock.now + 500_000_000
    while MonotonicClock.now < end { #expect(worker.run() == 2) }
    #expect(home.room.all.allSatisfy { $0.signals == 0 })
    #expect(worker.run(trigger: true) == 1)
    #expect(home.room.all.contains { $0.signals > 0 })
    #expect(home.takeFault()?.reason == .overBudget)
    #expect(worker.torn == 0)
    try worker.end()
  }

  /// The watchdog used to rest as soon as the candidate was out of force, and this batch never ended.
  @Test(.enabled(if: !Sanitizer.isThread))
  func `a worker that loops when the candidate is taken out of force is found all the same`() throws
  {
    let home = try GuardedDomain(.loop) { $0.batchBudget = 1_000_000_000 }
    let worker = Guarded<(runs: Int, mark: Int32)>((0, 0))
    let thread = try PlainThread("looping") {
      do {
        let hand = try HandWorker(home)
        try home.tryCandidate()
        worker.withLock { $0.runs += 1 }
        let mark = hand.run(trigger: true)
        worker.withLock { $0.mark = mark }
        try hand.end()
      } catch {
        Issue.record(error)
      }
    }
    #expect(eventually { worker.withLock { $0.runs } == 1 })
    usleep(50_000)
    let publication = try home.domain.publish(stable: home.stable)
    home.room.end()
    // Long enough for a watchdog that has nothing to do to fall asleep.
    usleep(500_000)
    let outcome = home.domain.waitForGrace(publication, timeout: 20_000_000_000)
    guard case .passed = outcome else {
      // The thread is left alone: it has no end.
      Issue.record("\(outcome)")
      return
    }
    thread.join()
    #expect(worker.withLock { $0.mark } == 1)
    #expect(home.takeFault()?.reason == .overBudget)
  }

  /// A watchdog of normal priority would get no processor here.
  @Test(.enabled(if: !Sanitizer.isThread && RealTime.isAllowed))
  func `a real-time worker in a loop is found by a watchdog above it on the same processor`() throws
  {
    let processor = try #require(RealTime.lastProcessor)
    let home = try GuardedDomain(.loop, at: ThreadPlacement(processors: [processor])) {
      $0.batchBudget = 100_000_000
    }
    let mark = Guarded<Int32>(0)
    let thread = try PlainThread("real-time") {
      do {
        try CurrentThread.setProcessors([processor])
        let worker = try HandWorker(home)
        #expect(RealTime.enter(priority: 10))
        #expect(eventually { home.room.scheduling == "real-time priority 11" })
        try home.tryCandidate()
        let result = worker.run(trigger: true)
        mark.withLock { $0 = result }
        try worker.end()
      } catch {
        Issue.record(error)
      }
    }
    thread.join()
    #expect(mark.withLock { $0 } == 1)
    #expect(home.takeFault()?.reason == .overBudget)
  }

  /// On a thread of its own: one of the pool may still have the stack of a worker that another thread has ended,
  /// and new memory may come to lie where that stack was.
  @Test func `what a thread had before it was a worker it has again afterwards`() throws {
    let thread = try PlainThread("before") {
      do { try Self.comeAndGo() } catch { Issue.record(error) }
    }
    thread.join()
  }

  /// A domain of which the calling thread holds back the guard's signal.
  private static func blockedHome() throws -> GuardedDomain {
    let home = try GuardedDomain()
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, home.room.options.signal)
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    return home
  }

  private static func comeAndGo() throws {
    let home = try blockedHome()
    let before = stack()
    let worker = try HandWorker(home)
    #expect(stack() != before && !isBlocked())
    try worker.end()
    #expect(stack() == before && isBlocked())
  }

  /// The stack of the one that ended first was what the thread was left with, and its memory goes with the domain.
  @Test(arguments: [false, true])
  func `a thread that was two workers has what it had before, in whatever order they end`(
    isLastFirst: Bool
  ) throws {
    let thread = try PlainThread("two workers") {
      do { try Self.comeAndGo(isLastFirst: isLastFirst) } catch { Issue.record(error) }
    }
    thread.join()
  }

  private static func comeAndGo(isLastFirst: Bool) throws {
    let home = try blockedHome()
    let before = stack()
    let first = try HandWorker(home)
    let ofFirst = stack()
    let second = try HandWorker(home)
    let ofSecond = stack()
    #expect(Set([before, ofFirst, ofSecond]).count == 3)
    if isLastFirst {
      try second.end()
      #expect(stack() == ofFirst && !isBlocked())
      try first.end()
    } else {
      try first.end()
      #expect(stack() == ofSecond && !isBlocked())
      try second.end()
    }
    #expect(stack() == before && isBlocked())
  }

  /// The one that ended first gave back what it had found, and the other had no stack any more.
  @Test func `a stack that the host sets between two workers costs neither its own`() throws {
    let thread = try PlainThread("two workers, two stacks") {
      do { try Self.comeAndGoAroundTheHost() } catch { Issue.record(error) }
    }
    thread.join()
  }

  private static func comeAndGoAroundTheHost() throws {
    let home = try blockedHome()
    var before = unsafe stack_t()
    unsafe sigaltstack(nil, &before)
    let first = try HandWorker(home)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 1 << 16, alignment: 16)
    defer { unsafe memory.deallocate() }
    var own = unsafe stack_t(ss_sp: memory, ss_flags: 0, ss_size: 1 << 16)
    unsafe sigaltstack(&own, nil)
    let second = try HandWorker(home)
    let ofSecond = stack()
    try first.end()
    #expect(stack() == ofSecond && !isBlocked())
    try second.end()
    #expect(stack() == UInt(bitPattern: memory) && isBlocked())
    // Of one worker alone, too, what the host has set since stays.
    let third = try HandWorker(home)
    unsafe sigaltstack(&own, nil)
    try third.end()
    #expect(stack() == UInt(bitPattern: memory) && isBlocked())
    unsafe sigaltstack(&before, nil)
  }

  private static func stack() -> UInt {
    var stack = unsafe stack_t()
    unsafe sigaltstack(nil, &stack)
    return unsafe stack.ss_flags & 2 == 0 ? UInt(bitPattern: stack.ss_sp) : 0
  }

  private static func isBlocked() -> Bool {
    var mask = sigset_t()
    unsafe pthread_sigmask(SIG_BLOCK, nil, &mask)
    return unsafe sigismember(&mask, GuardOptions().signal) == 1
  }

  @Test func `workers that fault at once, and while views change, lose no batch`() throws {
    let home = try GuardedDomain()
    let isOver = Guarded(false)
    let failures = Guarded(0)
    let faults = Guarded<UInt64>(0)
    let seated = Guarded(0)
    var threads: [PlainThread] = []
    for seed in 0..<3 {
      threads.append(
        try PlainThread("faulty") {
          guard let worker = try? HandWorker(home) else { return failures.withLock { $0 += 1 } }
          seated.withLock { $0 += 1 }
          var random = SeededGenerator(seed: UInt64(seed))
          var batches: UInt64 = 0
          while !isOver.withLock({ $0 }) {
            let mark = worker.run(trigger: UInt8.random(in: 0...3, using: &random) == 0)
            batches += 1
            if mark != 1 && mark != 2 { failures.withLock { $0 += 1 } }
          }
          if worker.applied != batches * 32 || worker.torn != 0 { failures.withLock { $0 += 1 } }
          faults.withLock { $0 += worker.runs - batches }
          _ = try? worker.end()
        })
    }
    let reader = try PlainThread("reader") { while home.takeFault() != nil {} }
    // On a busy machine all rounds could be over before there is anybody who waits for one.
    #expect(eventually { seated.withLock { $0 } == 3 })
    for round in 0..<2000 {
      if round.isMultiple(of: 5) { try home.goBack() } else { try home.tryCandidate() }
      // Views that everybody has passed are free again; a worker need not have come so far for the next.
      let publication = try home.domain.publish(stable: home.stable, candidate: home.candidate)
      _ = home.domain.waitForGrace(publication, timeout: 10_000_000_000)
    }
    isOver.withLock { $0 = true }
    for thread in threads { thread.join() }
    home.room.stop()
    reader.join()
    #expect(failures.withLock { $0 } == 0)
    let count = faults.withLock { $0 }
    #expect(count > 0 && count == home.room.all.reduce(0) { $0 + $1.faults })
  }
}

/// A thread of the host, which is joined once.
final class PlainThread: Sendable {
  private let thread: Guarded<SystemThread?>

  init(_ name: String, _ body: @escaping @Sendable () -> Void) throws {
    var started: SystemThread? = try SystemThread.start(name, body)
    thread = Guarded(started.take())
  }

  func join() {
    let handle = thread.withLock { $0.take() }
    handle?.join()
  }
}

/// What this process may do about real-time threads.
enum RealTime {
  /// Whether a thread of this process may have a real-time priority.
  static let isAllowed: Bool = {
    let granted = Guarded(false)
    let thread = try? PlainThread("real-time") {
      let isGranted = enter(priority: 11)
      granted.withLock { $0 = isGranted }
    }
    thread?.join()
    return granted.withLock { $0 }
  }()

  /// The last processor that this process may use.
  static var lastProcessor: Int32? {
    (0..<256).last { (try? ThreadPlacement(processors: [$0]).check()) != nil }
  }

  /// How long the calling thread has had a processor, in nanoseconds.
  static var threadTime: UInt64 {
    var time = timespec()
    // SAFETY: the record is ours.
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// Gives the calling thread a real-time priority.
  static func enter(priority: Int32) -> Bool {
    var parameters = sched_param()
    parameters.sched_priority = priority
    // SAFETY: the record is ours; 0 is the calling thread.
    return unsafe sched_setscheduler(0, SCHED_FIFO, &parameters) == 0
  }
}
