import CHitless
import CMigrationLoad
import Glibc
import Guard
import HotSwap
import Platform
import Refusal
import Synchronization
import TestSupport
import Testing

/// Who has a record, while another one wants it or something goes wrong.
@Suite(.serialized)
struct ClaimTests {
  /// Each batch has every record once.
  static let records: UInt64 = 32
  /// The record that hooks of the fixture are told about.
  static let number = 20
  /// A hook that waits for the test is not taken for a loop.
  static let patience: UInt64 = 3_600_000_000_000

  /// It used to count as failed, and took the candidate out of force.
  ///
  /// What the hook is shown is being written to on purpose, which ThreadSanitizer would say.
  @Test(.enabled(if: !Sanitizer.isThread))
  func `a hook that was shown a record while it was written to has not failed`() throws {
    let (ledger, worker, migration) = try Ledger.begun(
      Self.records, ["HELD=7", "NEXT=0", "FORWARD_AT=\(Self.number)"], budget: Self.patience)
    try ledger.give(HITLESS_SHARE_ALL, migration)
    let record = try unsafe ledger.record(Self.number, at: HITLESS_RECORD_OLD, load_record_1.self)
    let missing = Guarded<UInt64>(.max)
    let sweeper = try SystemThread.start("sweeper") {
      let left = ledger.domain.sweep(migration, to: .candidate, until: .after(Self.patience))
      missing.withLock { $0 = left }
    }
    let sign = unsafe Sign(on: record, \.number)
    #expect(eventually { sign.isThere })
    // Who needs the record does not wait: it uses it where it is.
    worker.run()
    sweeper.join()
    #expect(missing.withLock { $0 } == 0 && migration.failure == nil)
    #expect(migration.counts == MigrationCounts(forward: Self.records))
    try worker.rise()
    #expect(try ledger.goBack(migration) == 0)
    #expect(ledger.wrongRecords([worker]) == 0 && worker.forwarded == worker.offered)
  }

  /// What was read of it while another worker was using it used to be kept where the record was before, for the
  /// next failure to bring it back.
  @Test(.enabled(if: !Sanitizer.isThread))
  func `a record that was used on its way back is not what a later failure goes back to`() throws {
    let ledger = try Ledger(
      records: Self.records, candidate: ["HELD=0", "NEXT=7", "BACK_AT=\(Self.number)"],
      budget: Self.patience)
    let writer = LoadedWorker(ledger)
    try writer.sit()
    writer.run(200)
    try writer.rise()
    let migration = try ledger.announce()
    #expect(ledger.domain.sweep(migration, to: .candidate, until: Ledger.soon) == 0)
    let first = LoadedWorker(ledger, stride: 0)
    let second = LoadedWorker(ledger, stride: 0, sharing: first)
    try first.sit()
    try ledger.takeBack(migration)
    let old = try unsafe ledger.record(Self.number, at: HITLESS_RECORD_OLD, load_record_1.self)
    let new = try unsafe ledger.record(Self.number, at: HITLESS_RECORD_NEW, load_record_2.self)
    try second.start(batches: 1)
    let sign = unsafe Sign(on: new, \.number)
    #expect(eventually { sign.isThere })
    first.run()
    unsafe new.pointee.packets += 1
    sign.remove()
    second.join()
    try first.rise()
    // The second worker has tried once more, alone, and the hook has failed.
    #expect(migration.counts.kept == 1)
    let kept = unsafe old.pointee.packets
    #expect(kept == 200)
    #expect((first.torn, second.torn, first.refused, second.refused) == (0, 0, 0, 0))
    #expect(try ledger.goBack(migration) == 0)
  }

  /// The batch used to be left then, as if the candidate had done it, with a claim that nobody gave back.
  @Test func `a worker that moves a record for a batch is not ended in the middle of it`() async {
    await #expect(processExitsWith: .success) {
      try Self.faultWhileMoving()
    }
  }

  private static func faultWhileMoving() throws {
    ClosedPage.handleFaults()
    let (ledger, worker, migration) = try Ledger.begun(records)
    try ledger.give(HITLESS_SHARE_ALL, migration)
    let target = try unsafe ledger.record(0, at: HITLESS_RECORD_NEW, load_record_2.self)
    try unsafe ClosedPage.close(target, protection: PROT_NONE)
    worker.run()
    #expect(ClosedPage.faultCount == 1)
    #expect(ledger.room.all.allSatisfy { $0.faults == 0 })
    #expect(migration.counts.forward == records)
    try worker.rise()
    #expect(try ledger.goBack(migration) == 0)
    #expect(ledger.wrongRecords([worker]) == 0 && worker.forwarded == worker.offered)
  }

  /// It used to be emptied where it lay when the call began: meanwhile a migration could take what was in it away.
  @Test func `a record that is cleared while a migration begins is empty wherever it goes`() async {
    await #expect(processExitsWith: .success) {
      try Self.clearWhileRecordsGo()
    }
  }

  private static func clearWhileRecordsGo() throws {
    ClosedPage.handleFaults()
    let ledger = try Ledger(records: records)
    let worker = LoadedWorker(ledger)
    try worker.sit()
    worker.run(100)
    try worker.rise()
    let record = try unsafe ledger.record(number, at: HITLESS_RECORD_OLD, load_record_1.self)
    try unsafe ClosedPage.close(record, protection: PROT_READ, isHeld: true)
    let clearing = try SystemThread.start("clearing") {
      do { try ledger.domain.clearState(table: 0, record: UInt64(number)) } catch {
        Issue.record(error)
      }
    }
    // It is in the middle of it, and stays there until the records are gone, if they can go.
    #expect(eventually { ClosedPage.faultCount == 1 })
    let opening = try SystemThread.start("opening") {
      usleep(300_000)
      ClosedPage.letGo()
    }
    let migration = try ledger.announce()
    #expect(ledger.domain.sweep(migration, to: .candidate, until: Ledger.soon) == 0)
    ClosedPage.letGo()
    clearing.join()
    opening.join()
    #expect(try ledger.goBack(migration) == 0)
    let cleared = unsafe record.pointee
    #expect((cleared.packets, cleared.bytes) == (0, 0))
    #expect(ledger.wrongRecords([worker]) == 1, "that one, and no other")
  }

  /// Without memory for a view the last one of the migration stays in force; what comes next must not begin with it.
  @Test func `after a confirmation without a view records have their new layout`() throws {
    let (ledger, worker, migration) = try Ledger.begun(Self.records)
    try worker.rise()
    try ledger.give(HITLESS_SHARE_ALL, migration)
    #expect(ledger.domain.sweep(migration, to: .candidate, until: Ledger.soon) == 0)
    try ledger.pass(
      ledger.domain.publish(stable: ledger.candidate, states: migration.finishing))
    #expect(ledger.domain.states?.settledSchemas == [Ledger.first])
    ledger.domain.keep(migration.settledNew)
    #expect(ledger.domain.states?.settledSchemas == [Ledger.second])
    // Under the view in force, and under the next one.
    for isNext in [false, true] {
      if isNext { _ = try ledger.domain.publish(stable: ledger.candidate) }
      try worker.sit()
      worker.run(100)
      try worker.rise()
    }
    #expect(ledger.wrongRecords([worker]) == 0 && worker.forwarded == worker.offered)
    try ledger.domain.clearState(table: 0, record: UInt64(Self.number))
    #expect(ledger.wrongRecords([worker]) == 1)
  }
}

/// What a module of the fixture puts on the number of a record that it is looking at.
@safe
struct Sign {
  private let word: UnsafeMutablePointer<Atomic<UInt64>>

  /// `number` says where a record has it.
  init<Record>(on record: UnsafeMutablePointer<Record>, _ number: PartialKeyPath<Record>) {
    let offset = MemoryLayout<Record>.offset(of: number) ?? 0
    // SAFETY: an atomic word has the layout of the word.
    unsafe word = (UnsafeMutableRawPointer(record) + offset)
      .assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  var isThere: Bool { unsafe word.pointee.load(ordering: .acquiring) >> 63 == 1 }

  func remove() { unsafe word.pointee.bitwiseAnd(.max >> 1, ordering: .releasing) }
}

/// A page of records at which the next access is a fault of the host's, who then opens it and goes on.
///
/// One per process: the handler finds it here.
@safe
private enum ClosedPage {
  private static let address = Atomic<UInt>(0)
  private static let faults = Atomic<Int>(0)
  private static let isHeld = Atomic<Bool>(false)
  private static let byteCount = 4096

  /// How many faults there were.
  static var faultCount: Int { faults.load(ordering: .acquiring) }

  /// Lets the thread go on that waits at the page.
  static func letGo() { isHeld.store(false, ordering: .releasing) }

  /// Installs the handler; whoever guards batches comes later, and gets faults before it.
  static func handleFaults() {
    // Nothing of Swift's is made for the first time in a handler.
    _ = (address.load(ordering: .relaxed), faultCount, isHeld.load(ordering: .relaxed), byteCount)
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_sigaction = { _, _, _ in
      let page = unsafe UnsafeMutableRawPointer(
        bitPattern: ClosedPage.address.exchange(0, ordering: .acquiring))
      // Somebody else's.
      guard let page = unsafe page else { _exit(1) }
      ClosedPage.faults.add(1, ordering: .releasing)
      while ClosedPage.isHeld.load(ordering: .acquiring) { usleep(100) }
      _ = unsafe mprotect(page, ClosedPage.byteCount, PROT_READ | PROT_WRITE)
    }
    action.sa_flags = SA_SIGINFO
    unsafe sigaction(SIGSEGV, &action, nil)
  }

  /// Closes the page on which `record` lies; who comes to it waits there if it `isHeld`, until `letGo`.
  static func close(
    _ record: UnsafeMutableRawPointer, protection: Int32, isHeld held: Bool = false
  ) throws {
    let page = UInt(bitPattern: record) & ~UInt(byteCount - 1)
    isHeld.store(held, ordering: .relaxed)
    address.store(page, ordering: .releasing)
    let status = unsafe mprotect(
      UnsafeMutableRawPointer(bitPattern: page), byteCount, protection)
    try #require(status == 0)
  }
}

extension Ledger {
  /// Where a record lies at one of its places, while records are moving or before.
  fileprivate func record<Record>(
    _ number: Int, at place: Int, _: Record.Type
  ) throws -> UnsafeMutablePointer<Record> {
    let reader = unsafe try domain.registerWorker(name: "reader")
    defer { try? unsafe domain.unregisterWorker(reader) }
    guard let view = unsafe hitless_enter(reader),
      let area = unsafe hitless_state_area_at(view, 0, UInt32(place)),
      let records = unsafe area.pointee.records
    else { throw Refusal(.state, "there are no records") }
    return unsafe records.assumingMemoryBound(to: Record.self) + number
  }
}
