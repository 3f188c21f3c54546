import Agent
import Glibc
import Guard
import HotSwap
import Platform
import Refusal
import TestSupport
import Testing

/// A fault at the moment at which somebody asks the agent for something: each test again and again, with the one a little
/// earlier or later than the other.
@Suite("Faults that race the agent's operations", .serialized)
struct RaceTests {
  private static let rounds = Sanitizer.isAny ? 12 : 32

  /// From the order that comes first by far to the fault that does, in steps: microseconds from the fault's release to
  /// the order.
  private static let shifts = (0..<rounds).map { round in
    (round - rounds / 2) * 36
  }

  /// Releases the fault of both workers and gives the order, `shift` microseconds apart.
  private func race<Value>(
    _ workers: [BusyWorker], _ shift: Int, _ order: () throws -> Value
  ) rethrows -> Value {
    let fault = Guarded<PlainThread?>(nil)
    defer { fault.withLock { $0 }?.join() }
    if shift < 0 {
      let thread = try? PlainThread("fault") {
        Self.spin(-shift)
        for worker in workers { worker.arm() }
      }
      fault.withLock { $0 = thread }
    } else {
      let before = workers.map(\.faults)
      for worker in workers { worker.arm() }
      Self.spin(shift)
      // On a busy machine workers may get no processor in so little time: the last time they get what it takes, if
      // the candidate is in force.
      if shift == Self.shifts.last { _ = eventually(within: 2) { workers.map(\.faults) != before } }
    }
    return try order()
  }

  private static func spin(_ microseconds: Int) {
    let end = MonotonicClock.now + UInt64(microseconds) * 1000
    while MonotonicClock.now < end {}
  }

  private func expectQuiet(
    _ home: GuardedAgent, _ workers: [BusyWorker], _ state: TransactionState, _ comment: String
  ) {
    let isQuiet = eventually(within: 60) {
      home.agent.status().transactionState == state && workers.allSatisfy { $0.mark == 1 }
    }
    #expect(isQuiet, "\(comment): \(home.agent.status())")
    for worker in workers { worker.disarm() }
  }

  /// Waits until the agent has answered for every fault: a report that it reads as the next round begins may be held
  /// against the candidate then.
  private func expectAnswers(_ home: GuardedAgent, _ workers: [BusyWorker], _ comment: String) {
    let isTold = eventually(within: 60) {
      home.audited("faulted") == workers.reduce(0) { $0 + Int($1.faults) }
    }
    #expect(isTold, "\(comment): \(home.agent.status())")
  }

  /// Every fault that a worker has had was answered for once, and there were no others.
  ///
  /// Of those that come before the last report was read only that there was one is known.
  private func expectReports(
    _ home: GuardedAgent, _ workers: [BusyWorker], areAllKnown: Bool = true
  ) {
    for worker in workers { worker.stop() }
    let faults = workers.reduce(0) { $0 + $1.faults }
    #expect(faults > 0)
    for worker in workers { #expect(worker.problems == []) }
    let isTold = eventually(within: 60) {
      let told = home.agent.status().counters.faults
      return home.audited("faulted") == Int(told) && (!areAllKnown && told > 0 || told == faults)
    }
    let told = home.agent.status().counters.faults
    #expect(isTold && told <= faults, "\(told) of \(faults), \(home.audited("faulted")) in the log")
    let line = "hitless_faults_total{cause=\"SIGSEGV\"} \(faults)\n"
    #expect(!areAllKnown || home.agent.metrics().contains(line))
    if told != faults { print("races: \(told) of \(faults) faults are known one by one") }
  }

  private func expectResults(_ home: GuardedAgent, rolledBack: Int, confirmed: Int) {
    let metrics = home.agent.metrics()
    for (result, count) in [("rolled_back", rolledBack), ("confirmed", confirmed)] {
      let line = "hitless_transactions_total{result=\"\(result)\"} \(count)\n"
      #expect(metrics.contains(line), "\(metrics)")
    }
  }

  @Test func `a rollback and a fault are one way back, and every fault is told once`() throws {
    let home = try GuardedAgent()
    let workers = try (0..<2).map { try BusyWorker(home, "racing-\($0)") }
    let number = try home.install(.segv)
    var asked = 0
    for shift in Self.shifts {
      _ = try home.agent.activate(number)
      #expect(eventually { workers.allSatisfy { $0.mark == 2 } })
      race(workers, shift) {
        if (try? home.agent.rollback(number)) != nil { asked += 1 }
      }
      expectQuiet(home, workers, .rolledBack, "\(shift) µs")
      expectAnswers(home, workers, "\(shift) µs")
    }
    expectReports(home, workers)
    #expect(home.agent.status().counters.rollbacks == UInt64(Self.rounds))
    expectResults(home, rolledBack: Self.rounds, confirmed: 0)
    #expect(eventually { home.audited("rolled-back") == Self.rounds })
    // The first came too early for a fault.
    #expect(asked > 0)
  }

  /// An agent with a report of an earlier time in force that is read when the gate opens.
  ///
  /// Whoever answers for faults is held up behind the first worker's; the second's is the report.
  private func lateReport() throws -> (GuardedAgent, [BusyWorker], UInt64, Monitor<Bool>) {
    let gate = Monitor(false)
    let home = try GuardedAgent { options in
      options.log = { _, message in
        guard message.contains(" faulted: ") else { return }
        _ = gate.wait(until: .after(60_000_000_000)) { $0 ? true : nil }
      }
    }
    let workers = try (0..<2).map { try BusyWorker(home, "racing-\($0)") }
    let number = try home.install(.segv)
    _ = try home.agent.activate(number)
    workers[0].arm()
    #expect(eventually { home.audited("faulted") == 1 })
    _ = try home.agent.activate(number)
    workers[1].arm()
    #expect(eventually { workers[1].faults == 1 })
    try home.agent.rollback(number)
    return (home, workers, number, gate)
  }

  /// The agent held it against the time in force that it found when it came to read the report.
  @Test func `a fault of one time in force is not held against the next`() throws {
    let (home, workers, number, gate) = try lateReport()
    _ = try home.agent.activate(number)
    gate.withLock { $0 = true }
    #expect(eventually { home.audited("faulted") == 2 })
    #expect(home.agent.status().transactionState == .active)
    #expect(eventually { workers.allSatisfy { $0.mark == 2 } })
    try home.agent.confirm(number)
    expectReports(home, workers)
    #expect(home.agent.status().counters.rollbacks == 2)
  }

  /// A report that was read between the order and the view counted for the new time: the candidate could not be confirmed.
  @Test func `a fault of one time in force that is read as the next begins does not count for it`()
    throws
  {
    for delay in (0..<Self.rounds).map({ $0 * 16 }) {
      let (home, workers, number, gate) = try lateReport()
      let opener = try PlainThread("gate") {
        Self.spin(delay)
        gate.withLock { $0 = true }
      }
      _ = try home.agent.activate(number)
      opener.join()
      #expect(eventually { home.audited("faulted") == 2 })
      #expect(throws: Never.self, "\(delay) µs") { try home.agent.confirm(number) }
      expectReports(home, workers)
    }
  }

  /// Where the guard stays on: a confirmation that was faster is taken back.
  @Test func `a confirmation and a fault end on what was stable before, here and on the device`()
    throws
  {
    let home = try GuardedAgent { $0.guarding.mode = .always }
    let workers = try (0..<2).map { try BusyWorker(home, "racing-\($0)") }
    let stable = home.agent.status().stableGeneration
    var confirmed = 0
    for shift in Self.shifts {
      let number = try home.install(.segv)
      _ = try home.agent.activate(number)
      #expect(eventually { workers.allSatisfy { $0.mark == 2 } })
      race(workers, shift) {
        if (try? home.agent.confirm(number)) != nil { confirmed += 1 }
      }
      expectQuiet(home, workers, .rolledBack, "\(shift) µs")
      expectAnswers(home, workers, "\(shift) µs")
      #expect(home.agent.status().stableGeneration == stable, "\(shift) µs")
    }
    expectReports(home, workers)
    #expect(home.agent.status().counters.confirmations == UInt64(confirmed))
    #expect(confirmed > 0)
    #expect(eventually { home.audited("reverted") == confirmed })
    #expect(eventually { home.audited("rolled-back") == Self.rounds - confirmed })
  }

  /// Afterwards the candidate stands where it stood, unless it was active: then it is rolled back.
  ///
  /// A report of the round before, of the other worker, may come at any moment of this one. One that came at the
  /// beginning kept the agent from seeing the next fault: the exercise went on to its end.
  @Test(arguments: [false, true])
  func `an exercise ends with a fault, and leaves stable in force`(isActive: Bool) throws {
    let home = try GuardedAgent()
    let workers = try (0..<2).map { try BusyWorker(home, "racing-\($0)") }
    let number = try home.install(.segv)
    let count: UInt64 = 20_000
    var ended = 0
    for shift in Self.shifts {
      if isActive { _ = try home.agent.activate(number) }
      let report = race(workers, shift) {
        Result { try home.agent.exercise(number, count: count, intervalNanoseconds: 0) }
      }
      switch report {
      case .success(let report):
        ended += 1
        #expect(report.swaps % 2 == 0 && report.overdue == 0, "\(shift) µs")
        #expect(isActive || report.swaps < count, "\(shift) µs")
      // The candidate that was active has failed before, and is being rolled back.
      case .failure(let error):
        #expect(isActive && (error as? Refusal)?.kind == .busy, "\(shift) µs: \(error)")
      }
      expectQuiet(home, workers, isActive ? .rolledBack : .staged, "\(shift) µs")
    }
    expectReports(home, workers, areAllKnown: false)
    let rollbacks = isActive ? Self.rounds : 0
    #expect(home.agent.status().counters.rollbacks == UInt64(rollbacks))
    expectResults(home, rolledBack: rollbacks, confirmed: 0)
    #expect(ended > 0 && home.audited("exercised") == ended)
  }
}

/// As many workers as a large machine has, all of them in the candidate's code when it fails.
@Suite("Faults of many workers at once", .serialized)
struct ManyWorkersTests {
  private static let count = 64
  private static let rounds = Sanitizer.isAny ? 2 : 8

  @Test func `64 workers that fail at the same moment are back on stable, and lose no batch`()
    throws
  {
    let home = try GuardedDomain()
    try fail(in: home) {
      try home.tryCandidate()
    } whenAllHaveFailed: {
      #expect(home.room.hasFault(of: home.candidate.number))
      let faults = (0..<Self.count).map { _ in home.takeFault() }
      #expect(Set(faults.map { $0?.worker }).count == Self.count, "one report of each")
      #expect(faults.allSatisfy { $0?.reason.name == "SIGSEGV" })
      #expect(!home.room.hasFault(of: home.candidate.number))
    }
    #expect(home.room.all.reduce(0) { $0 + $1.faults } == UInt64(Self.count * Self.rounds))
    #expect(home.room.all.allSatisfy { $0.unreported == 0 })
  }

  @Test func `64 workers that fail at the same moment are one rollback of the agent's`() throws {
    let home = try GuardedAgent()
    let number = try home.install(.segv)
    var faults: UInt64 = 0
    try fail(in: home) {
      _ = try home.agent.activate(number)
    } whenAllHaveFailed: {
      faults += UInt64(Self.count)
      let isOver = eventually {
        let status = home.agent.status()
        return status.transactionState == .rolledBack && home.audited("faulted") == Int(faults)
      }
      #expect(isOver, "\(home.agent.status())")
    }
    #expect(home.agent.status().counters.rollbacks == UInt64(Self.rounds))
    #expect(home.agent.status().counters.faults == faults)
  }

  /// Has all workers fail in one batch each, `rounds` times.
  private func fail(
    in home: some WorkerHome, atEach begin: () throws -> Void, whenAllHaveFailed end: () -> Void
  ) throws {
    let gate = WorkerGate()
    let round = Guarded(0)
    let done = Guarded((batches: 0, problems: [String]()))
    let seated = Guarded(0)
    let threads = try (0..<Self.count).map { index in
      try PlainThread("many") {
        do {
          let worker = try HandWorker(home, name: "many-\(index)")
          seated.withLock { $0 += 1 }
          for next in 1...Self.rounds {
            while round.withLock({ $0 }) < next {
              // Whoever waits for a grace period waits for nobody who has nothing to do.
              _ = worker.run()
              usleep(200)
            }
            let mark = worker.run(at: gate, until: next * Self.count)
            done.withLock { done in
              done.batches += 1
              if mark != 1 { done.problems.append("\(index): \(mark)") }
            }
          }
          while round.withLock({ $0 }) == Self.rounds {
            _ = worker.run()
            usleep(200)
          }
          let batches = worker.applied / UInt64(HandWorker.packetCount)
          let lost = worker.runs - UInt64(Self.rounds) != batches || worker.torn != 0
          if lost { done.withLock { $0.problems.append("\(index): \(batches) batches") } }
          try worker.end()
        } catch {
          done.withLock { $0.problems.append("\(error)") }
        }
      }
    }
    #expect(eventually { seated.withLock { $0 } == Self.count })
    for next in 1...Self.rounds {
      try begin()
      round.withLock { $0 = next }
      #expect(eventually { done.withLock { $0.batches } == next * Self.count })
      end()
    }
    round.withLock { $0 = .max }
    for thread in threads { thread.join() }
    #expect(done.withLock { $0.problems } == [])
  }
}
