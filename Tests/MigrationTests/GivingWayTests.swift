import CHitless
import CMigrationLoad
import Guard
import Platform
import Refusal
import TestSupport
import Testing

@testable import Agent
@testable import HotSwap

/// What has to wait, and what has not, while batches use records that are to be moved.
@Suite("Records in use", .serialized)
struct GivingWayTests {
  /// Less than a sweep goes on for records that are in use (`Agent.sweepLimit`).
  private static let patience = 8.0

  /// A host with a worker that is late at every grace period, because it has a record in use.
  private func site() throws -> LedgerSite {
    let site = try LedgerSite(records: 100)
    site.options.graceTimeout = 200_000_000
    return site
  }

  /// A rollback was refused as busy as long as a batch used a record, for up to ten seconds.
  @Test func `a rollback does not wait for those that are moved at once`() throws {
    let site = try site()
    let trial = try MovingTrial(site)
    let (agent, number) = (trial.agent, trial.number)
    #expect(eventually(within: Self.patience) { (try? agent.rollback(number)) != nil })
    try trial.letGo()
    #expect(agent.status().transactionState == .rolledBack)
    #expect(agent.settleBack() && !agent.isMigrating)
    #expect(agent.migrationCounts == MigrationCounts(forward: 99, back: 99))
  }

  /// The order waited until the confirmation had given up, for up to ten seconds.
  @Test func `a freeze ends a confirmation that waits for a record`() throws {
    let site = try site()
    let agent = try site.start()
    let number = try site.install()
    _ = try agent.activate(number, eagerRecords: 0)
    let holder = try RecordHolder(7, of: site)
    let confirmation = try Confirmation(of: number, by: agent)
    #expect(eventually { agent.migrationCounts.forward == 99 })
    let freeze = try SystemThread.start("test-freeze") {
      #expect((try? agent.freeze(reason: "stop", by: .host)) == number)
    }
    let isBack = eventually(within: Self.patience) {
      agent.status().transactionState == .rolledBack
    }
    #expect(isBack)
    freeze.join()
    #expect(confirmation.join()?.kind == .frozen)
    #expect(agent.status().counters.confirmations == 0)
    try holder.letGo()
    #expect(agent.settleBack() && !agent.isMigrating)
    #expect(agent.migrationCounts == MigrationCounts(forward: 99, back: 99))
  }

  /// It was refused as busy until the confirmation had given up, for up to ten seconds.
  @Test func `a rollback ends a confirmation that waits for a record`() throws {
    let site = try site()
    let agent = try site.start()
    let number = try site.install()
    _ = try agent.activate(number, eagerRecords: 0)
    let holder = try RecordHolder(7, of: site)
    let confirmation = try Confirmation(of: number, by: agent)
    #expect(eventually { agent.migrationCounts.forward == 99 })
    let begin = MonotonicClock.now
    try agent.rollback(number)
    #expect(Double(MonotonicClock.now - begin) < Self.patience * 1_000_000_000)
    let refused = confirmation.join()
    #expect(refused?.kind == .busy)
    // It said to confirm once more.
    #expect(refused?.hint?.contains("rollback") == true, "\(refused?.hint ?? "no hint")")
    #expect(agent.status().transactionState == .rolledBack)
    try holder.letGo()
    #expect(agent.settleBack() && !agent.isMigrating)
    #expect(agent.migrationCounts == MigrationCounts(forward: 99, back: 99))
  }

  /// The wish stayed, and the next confirmation gave up at the first record that was in use.
  @Test func `who came too late to end a confirmation does not end the next one`() throws {
    let site = try site()
    let agent = try site.start()
    let number = try site.install()
    _ = try agent.activate(number, eagerRecords: 0)
    // One that has moved all records, and is refused for something else.
    agent.state.withLock { $0.operation = "confirm" }
    let late = try SystemThread.start("test-late") { agent.interruptConfirmation(of: number) }
    #expect(eventually { agent.state.withLock { $0.interrupters } == 1 })
    agent.state.withLock { $0.operation = nil }
    late.join()
    let holder = try RecordHolder(7, of: site)
    let confirmation = try Confirmation(of: number, by: agent)
    #expect(eventually { agent.migrationCounts.forward == 99 })
    try holder.letGo()
    #expect(confirmation.join() == nil)
    #expect(agent.migrationCounts.forward == 100 && !agent.isMigrating)
  }

  /// It waited for its turn to move records, for up to ten seconds, and nobody could end that.
  @Test func `a rollback ends a confirmation that came while records were moved at once`() throws {
    let site = try site()
    let trial = try MovingTrial(site)
    let (agent, number) = (trial.agent, trial.number)
    let confirmation = try Confirmation(of: number, by: agent)
    #expect(eventually { agent.state.withLock { $0.operation == "confirm" } })
    let begin = MonotonicClock.now
    try agent.rollback(number)
    #expect(Double(MonotonicClock.now - begin) < Self.patience / 2 * 1_000_000_000)
    #expect(confirmation.join()?.kind == .busy)
    try trial.letGo()
    #expect(agent.status().transactionState == .rolledBack)
    #expect(agent.settleBack() && !agent.isMigrating)
  }

  /// The thread that should have looked was the one that moved records, until the time that was known as it began.
  @Test func `a look that is due at once ends the move of those that are moved at once`() throws {
    let site = try site()
    site.options.confirmTimeout = 0
    let trial = try MovingTrial(site)
    let (agent, number) = (trial.agent, trial.number)
    #expect(agent.state.withLock { $0.timer } == .idle)
    // Nobody waits for it: no thread does what the test is about by another way.
    agent.state.withLock { $0.transaction?.confirmBy = 1 }
    #expect(eventually(within: Self.patience) { agent.state.withLock { $0.sweeps } == 0 })
    agent.state.withLock { $0.transaction?.confirmBy = nil }
    try trial.letGo()
    try agent.rollback(number)
    #expect(agent.settleBack() && !agent.isMigrating)
  }

  /// It ended while records were moved still, which a host may have given back by then.
  @Test(.enabled(if: !Sanitizer.isThread))
  func `an agent that closes ends the move of records, and waits for that`() throws {
    let site = try LedgerSite(records: 100)
    site.options.guarding.batchBudget = 60_000_000_000
    let agent = try site.start()
    let record = unsafe site.record(7)
    unsafe record.pointee = load_record_1(packets: 2, bytes: 0, number: 7)
    let sign = unsafe Sign(on: record, \.number)
    let number = try site.install(["HELD=0", "NEXT=0", "FORWARD_AT=7"])
    let activation = try SystemThread.start("test-activation") {
      do { _ = try agent.activate(number) } catch { Issue.record(error) }
    }
    #expect(eventually { sign.isThere })
    let isClosed = Monitor(false)
    let closing = try SystemThread.start("test-close") {
      do { try agent.close() } catch { Issue.record(error) }
      isClosed.withLock { $0 = true }
    }
    #expect(eventually { agent.state.withLock { $0.migration?.migration.isHalted == true } })
    let early: Bool? = isClosed.wait(until: .after(200_000_000)) { $0 ? true : nil }
    #expect(early == nil)
    sign.remove()
    closing.join()
    #expect(agent.state.withLock { $0.sweeps } == 0)
    activation.join()
    #expect(agent.migrationCounts.forward == 8)
  }

  /// It was told to be confirmed once more, for ever.
  @Test func `a candidate whose records go forward no more is to be rolled back`() throws {
    let site = try site()
    let agent = try site.start()
    let number = try site.install()
    _ = try agent.activate(number, eagerRecords: 0)
    agent.state.withLock { $0.migration?.migration.halt() }
    let refused = try #require(throws: Refusal.self) { try agent.confirm(number) }
    #expect(refused.kind == .busy && refused.hint?.hasPrefix("roll it back") == true)
    try agent.rollback(number)
    #expect(agent.status().transactionState == .rolledBack && !agent.isMigrating)
  }

  /// It could only be rolled back after that, and not be confirmed any more.
  @Test func `a rollback for which there was no view leaves the way forward open`() throws {
    let site = try site()
    let agent = try site.start()
    let number = try site.install()
    _ = try agent.activate(number, eagerRecords: 0)
    let running = try #require(agent.state.withLock { $0.running })
    running.domain.state.withLock { state in
      state.generations.removeAll { $0 === running.stable }
    }
    #expect(throws: Refusal.self) { try agent.rollback(number) }
    running.domain.state.withLock { $0.generations.append(running.stable) }
    #expect(agent.status().transactionState == .active)
    try agent.confirm(number)
    #expect(agent.migrationCounts.forward == 100)
  }

  /// It was opened again between two tries to get the candidate out.
  @Test(arguments: [RollbackReason.fault, .health, .goldenHashMismatch, .notConfirmed, .frozen])
  func `a rollback of a condemned candidate leaves the way closed, also without a view`(
    reason: RollbackReason
  ) throws {
    let site = try site()
    let agent = try site.start()
    let number = try site.install()
    _ = try agent.activate(number, eagerRecords: 0)
    let running = try #require(agent.state.withLock { $0.running })
    running.domain.state.withLock { state in
      state.generations.removeAll { $0 === running.stable }
    }
    #expect(throws: Refusal.self) { try agent.rollback(number, because: reason) }
    // Nor does one that is asked for by hand meanwhile open it.
    #expect(throws: Refusal.self) { try agent.rollback(number) }
    running.domain.state.withLock { $0.generations.append(running.stable) }
    #expect(agent.state.withLock { $0.migration?.migration.isHalted } == true)
    #expect(throws: Refusal.self) { try agent.confirm(number) }
    #expect(agent.migrationCounts.forward == 0)
    try agent.rollback(number)
    #expect(agent.status().transactionState == .rolledBack && !agent.isMigrating)
  }

  @Test func `a freeze in the middle of an activation moves nothing`() throws {
    let site = try LedgerSite(records: 100)
    let order = Guarded<SystemThread?>(nil)
    site.options.log = { _, message in
      guard let agent = site.agent, message.contains(" migrating: "), !agent.status().isFrozen
      else { return }
      var started = try? SystemThread.start("test-freeze") {
        _ = try? agent.freeze(reason: "stop", by: .host)
      }
      order.withLock { $0 = started.take() }
      _ = eventually { agent.status().isFrozen }
    }
    let agent = try site.start()
    let number = try site.install()
    let refused = #expect(throws: Refusal.self) { _ = try agent.activate(number) }
    #expect(refused?.kind == .frozen)
    let freeze = order.withLock { $0.take() }
    freeze?.join()
    #expect(agent.status().transactionState == .staged && !agent.isMigrating)
    #expect(agent.migrationCounts == MigrationCounts())
    site.options.log = { _, _ in }
  }

  /// They used to stay in the layout of a candidate that was in force no more.
  @Test func `a candidate's records come back with what it was to replace`() throws {
    let site = try LedgerSite(records: 2000)
    let agent = try site.start()
    let workers = try site.startWorkers()
    let first = try site.installHot(["REVISION=1"])
    _ = try agent.activate(first)
    try agent.confirm(first)
    let second = try site.install(from: ["REVISION=1"], sequence: 3)
    _ = try agent.activate(second)
    for worker in workers { worker.pass() }
    #expect(agent.migrationCounts.forward == 2000)
    try agent.revert(agent.status().stableGeneration, because: .fault, detail: "late")
    #expect(agent.status().transactionState == .rolledBack && !agent.isMigrating)
    for worker in workers {
      worker.pass()
      worker.stop()
      #expect((worker.refused, worker.torn) == (0, 0))
    }
    #expect(agent.migrationCounts.back == 2000)
    #expect(site.wrongRecords(workers) == 0)
    #expect(try site.generations().guarded == nil)
  }

  /// Who settled a way back put in force again what had been stable as it began.
  @Test func `what is reverted while records come back stays reverted`() throws {
    let site = try LedgerSite(records: 100)
    let agent = try site.start()
    let first = try site.installHot(["REVISION=1"])
    let oldest = agent.status().stableGeneration
    _ = try agent.activate(first)
    try agent.confirm(first)
    let second = try site.install(from: ["REVISION=1"], sequence: 3)
    _ = try agent.activate(second, eagerRecords: 0)
    let holder = try RecordHolder(7, of: site)
    // Takes as long as it waits for the holder, who is late, and leaves the rest to be done.
    let rollback = try SystemThread.start("test-rollback") { _ = try? agent.rollback(second) }
    #expect(eventually { agent.status().transactionState == .rolledBack })
    let settling = try SystemThread.start("test-settling") { _ = agent.settleBack() }
    #expect(eventually { agent.state.withLock { $0.sweeps } > 0 })
    let revert = try SystemThread.start("test-revert") {
      try? agent.revert(agent.status().stableGeneration, because: .fault, detail: "late")
    }
    #expect(eventually { agent.status().stableGeneration == oldest })
    try holder.letGo()
    rollback.join()
    settling.join()
    revert.join()
    #expect(agent.settleBack() && !agent.isMigrating)
    let generations = try site.generations()
    #expect(generations.stable == oldest && generations.guarded == nil)
  }

  /// A trial that began while the rollback before was writing its line was taken for one whose way back everybody had.
  @Test func `only the way back whose grace period is over is safe to move records by`() throws {
    let site = try site()
    let agent = try site.start()
    let number = try site.install()
    let (domain, stable) = try #require(
      agent.state.withLock { state in state.running.map { ($0.domain, $0.stable) } })
    _ = try agent.activate(number, eagerRecords: 0)
    // As the end of an earlier rollback has it.
    let earlier = PublishedSwap(
      domain, Publication(sequence: 1, publishNanoseconds: 0, startNanoseconds: 0), number,
      "rolled-back")
    let report = SwapReport(publishNanoseconds: 0, graceNanoseconds: 1, overdue: [])
    agent.moveBack(number, by: earlier, after: report)
    #expect(agent.state.withLock { $0.migration?.isBackSafe } == false)
    // Nor is what an earlier way back was known to be kept for the next one.
    agent.state.withLock { $0.migration?.isBackSafe = true }
    let holder = try RecordHolder(7, of: site)
    try agent.rollback(number)
    #expect(agent.state.withLock { $0.migration?.isBackSafe } == false)
    try holder.letGo()
    #expect(agent.settleBack() && agent.status().stableGeneration == stable.number)
  }

  /// It waited for the end of that operation, however long, and then for the next one.
  @Test func `a way back that somebody else has settled is not waited for any longer`() throws {
    let site = try site()
    let agent = try site.start()
    let number = try site.install()
    _ = try agent.activate(number, eagerRecords: 0)
    let holder = try RecordHolder(7, of: site)
    try agent.rollback(number)
    agent.state.withLock { $0.operation = "install" }
    let isOver = Monitor(false)
    let settling = try SystemThread.start("test-settling") {
      let isSettled = agent.settleBack()
      isOver.withLock { $0 = isSettled }
    }
    try holder.letGo()
    let early: Bool? = isOver.wait(until: .after(100_000_000)) { $0 ? true : nil }
    #expect(early == nil && agent.isMigrating)
    // As that operation does.
    #expect(agent.settleBack(isOperation: true))
    #expect(isOver.wait(until: .after(60_000_000_000)) { $0 ? true : nil } == true)
    agent.state.withLock { $0.operation = nil }
    settling.join()
  }
}

/// A confirmation on a thread of its own.
private struct Confirmation: ~Copyable {
  private let refused: Monitor<Refusal?>
  private let thread: SystemThread

  init(of number: UInt64, by agent: Agent) throws {
    let refused = Monitor<Refusal?>(nil)
    self.refused = refused
    thread = try SystemThread.start("test-confirmation") {
      do throws(Refusal) {
        try agent.confirm(number)
      } catch {
        let refusal = error
        refused.withLock { $0 = refusal }
      }
    }
  }

  /// Waits until it is over; returns why it was refused.
  consuming func join() -> Refusal? {
    let refused = refused
    thread.join()
    return refused.withLock { $0 }
  }
}

/// An activation on a thread of its own, which moves all records at once and has come to one that is in use.
private struct MovingTrial: ~Copyable {
  let agent: Agent
  let number: UInt64
  private let holder: RecordHolder
  private let activation: SystemThread

  init(_ site: LedgerSite) throws {
    let steps = Monitor((isMigrating: false, isHeld: false))
    site.options.log = { _, message in
      guard message.contains(" migrating: ") else { return }
      steps.withLock { $0.isMigrating = true }
      _ = steps.wait(until: .after(60_000_000_000)) { $0.isHeld ? true : nil }
    }
    let agent = try site.start()
    let number = try site.install()
    let activation = try SystemThread.start("test-activation") {
      do { _ = try agent.activate(number) } catch { Issue.record(error) }
    }
    #expect(eventually { steps.withLock { $0.isMigrating } })
    holder = try RecordHolder(7, of: site)
    steps.withLock { $0.isHeld = true }
    #expect(eventually { agent.migrationCounts.forward == 99 })
    (self.agent, self.number) = (agent, number)
    self.activation = activation
  }

  /// Waits until nothing is moved any more, and ends the use of the record.
  consuming func letGo() throws {
    let holder = holder
    activation.join()
    try holder.letGo()
  }
}

/// The calling thread as a worker in the middle of a batch that uses a record.
@safe
private struct RecordHolder {
  private let site: LedgerSite
  private let worker: UnsafeMutablePointer<hitless_worker>

  /// Begins the batch: with stable, as a flow that is not the candidate's.
  init(_ record: UInt64, of site: LedgerSite) throws {
    self.site = site
    unsafe worker = try site.registerWorker(name: "holder")
    let view = unsafe hitless_enter(worker)
    unsafe hitless_state_begin(worker)
    let place = unsafe hitless_state_use(worker, view, 0, record, 0)
    #expect(place == UInt32(HITLESS_RECORD_OLD))
  }

  /// Ends the batch, and the worker.
  func letGo() throws {
    unsafe hitless_state_end(worker)
    unsafe try site.unregisterWorker(worker)
  }
}
