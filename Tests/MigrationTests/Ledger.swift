import CHitless
import CMigrationLoad
import ElfImage
import Foundation
import Glibc
import Guard
import HotSwap
import Platform
import Refusal
import TestSupport
import Testing

/// The fixture, compiled once per variant.
enum LedgerModule {
  private static let built = Guarded<[String: [UInt8]]>([:])

  static func image(_ macros: [String]) throws -> [UInt8] {
    let key = macros.joined(separator: " ")
    if let image = built.withLock({ $0[key] }) { return image }
    let directory = try TemporaryDirectory()
    let source = "\(TestModule.root)/Tests/MigrationTests/Fixtures/ledger.c"
    let result = try TestSupport.run(
      "/usr/bin/gcc",
      [
        "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden",
        "-I\(TestModule.root)/Sources/Ground/CHitless/include", "-shared", "-nostartfiles",
        "-Wl,-z,now,-z,relro,-z,noexecstack", "-Wl,--build-id=sha1",
        "-Wl,--version-script=\(TestModule.root)/Sources/Modules/module.map",
      ] + macros.map { "-D\($0)" } + ["-o", directory.path("ledger.so"), source])
    try #require(result.status == 0, "\(result.errors)")
    let image = try directory.bytes("ledger.so")
    built.withLock { $0[key] = image }
    return image
  }

  static func map(_ macros: [String], ordinal: UInt32) throws -> MappedModule {
    let bytes = try image(macros)
    let image = try LoadabilityLint.check(bytes, policy: .standard, name: "fixture")
    let file = try SealedMemoryFile.seal(bytes, name: "hitless:test")
    return try MappedModule.map(
      descriptor: file.descriptor.number,
      expecting: ModuleExpectation(
        buildID: try #require(image.buildID), facts: try #require(image.moduleFactsBytes)),
      ordinal: ordinal)
  }
}

/// Where workers come from, and how many records they have.
protocol WorkerHome: Sendable {
  var recordCount: UInt64 { get }
  func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker>
  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) throws(Refusal)
}

extension Ledger: WorkerHome {
  func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker> {
    unsafe try domain.registerWorker(name: name)
  }

  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) throws(Refusal) {
    unsafe try domain.unregisterWorker(worker)
  }
}

/// A domain with one table of records, or with a second one beside it, a stable module with the first schema and a candidate with the second.
final class Ledger: Sendable {
  static let first = StateDefinition.Schema(
    id: LOAD_SCHEMA_1, size: UInt32(MemoryLayout<load_record_1>.size))
  static let second = StateDefinition.Schema(
    id: LOAD_SCHEMA_2, size: UInt32(MemoryLayout<load_record_2>.size))
  static let change = Migration.Change(table: 0, schema: second, module: 0)
  let changes: [Migration.Change]

  let room: GuardRoom
  let domain: SwapDomain
  let stable: Generation
  let candidate: Generation
  let recordCount: UInt64

  /// Sanitizers and a loaded machine take their time; a loop takes longer.
  static let budget: UInt64 = Sanitizer.isThread ? 5_000_000_000 : 200_000_000

  init(
    records: UInt64, beside more: UInt64? = nil, candidate macros: [String] = [],
    budget: UInt64 = Ledger.budget
  ) throws {
    recordCount = records
    var options = GuardOptions()
    options.batchBudget = budget
    room = try GuardRoom(options)
    domain = SwapDomain(slotCount: 1, room: room, poisonsRetiredMemory: true)
    let counts = [records] + (more.map { [$0] } ?? [])
    changes = counts.indices.map { Migration.Change(table: $0, schema: Self.second, module: 0) }
    try domain.defineStates(
      counts.enumerated().map { number, count in
        let name = number == 0 ? "ledger" : "ledger-\(number)"
        return (
          try StateDefinition(name: name, schemas: [Self.first, Self.second], count: count),
          Self.first
        )
      })
    stable = try domain.makeGeneration([try LedgerModule.map([], ordinal: 0)])
    candidate = try domain.makeGeneration([
      try LedgerModule.map(["SCHEMA=2"] + macros, ordinal: 1)
    ])
    _ = try domain.publish(stable: stable)
    try room.begin(at: .inherited)
  }

  /// A migration that workers know of, with no flow of the candidate's yet.
  func announce() throws -> Migration {
    let migration = try domain.prepareMigration(changes, to: candidate)
    candidate.breaker.close()
    try pass(
      domain.publish(
        stable: stable, candidate: candidate, placement: .flows(0), states: migration.forward))
    return migration
  }

  /// A ledger with a migration that its one worker, the calling thread, knows of.
  static func begun(
    _ records: UInt64 = 1000, _ macros: [String] = [], budget: UInt64 = Ledger.budget
  ) throws -> (Ledger, LoadedWorker, Migration) {
    let ledger = try Ledger(records: records, candidate: macros, budget: budget)
    let worker = LoadedWorker(ledger)
    try worker.sit()
    worker.run(100)
    let migration = try ledger.domain.prepareMigration([change], to: ledger.candidate)
    let publication = try ledger.give(0, migration)
    worker.run(100)
    try ledger.pass(publication)
    return (ledger, worker, migration)
  }

  /// Gives the candidate so many of 65 536 flows.
  @discardableResult
  func give(_ share: UInt32, _ migration: Migration) throws -> Publication {
    try domain.publish(
      stable: stable, candidate: candidate, placement: .flows(share), states: migration.forward)
  }

  /// Lets records go back from the next batch of each worker on.
  @discardableResult
  func takeBack(_ migration: Migration) throws -> Publication {
    try domain.publish(
      stable: stable, candidate: candidate, placement: .flows(0), states: migration.back)
  }

  /// Goes back, until every record has; returns how many have not.
  @discardableResult
  func goBack(_ migration: Migration) throws -> UInt64 {
    migration.halt()
    try pass(takeBack(migration))
    let missing = domain.sweep(migration, to: .stable, until: Self.soon)
    try pass(domain.publish(stable: stable, states: migration.settledOld))
    return missing
  }

  /// Makes the candidate the only version.
  func confirm(_ migration: Migration) throws {
    try #require(domain.sweep(migration, to: .candidate, until: Self.soon) == 0)
    try pass(domain.publish(stable: candidate, states: migration.finishing))
    try pass(domain.publish(stable: candidate, states: migration.settledNew))
  }

  func pass(_ publication: Publication) throws {
    guard case .passed = domain.waitForGrace(publication, timeout: 20_000_000_000) else {
      Issue.record("a worker has not passed")
      return
    }
  }

  static var soon: Deadline { .after(20_000_000_000) }
}

/// A worker's load, on a thread of its own unless it is run by hand.
@safe
final class LoadedWorker: @unchecked Sendable {
  private let home: any WorkerHome
  private let load: UnsafeMutablePointer<load>
  private let bytes: UnsafeMutablePointer<UInt64>
  private let packets: UnsafeMutablePointer<UInt64>
  private let ready = Monitor(0)
  private var thread: pthread_t?

  /// `stride` workers share the records among them; with 0 they have all of them together, and one book.
  init(
    _ home: any WorkerHome, first: UInt64 = 0, stride: UInt64 = 1,
    sharing other: LoadedWorker? = nil
  ) {
    self.home = home
    let count = Int(home.recordCount)
    unsafe load = .allocate(capacity: 1)
    unsafe bytes = unsafe other?.bytes ?? .allocate(capacity: count)
    unsafe packets = .allocate(capacity: count)
    if other == nil { unsafe bytes.initialize(repeating: 0, count: count) }
    unsafe packets.initialize(repeating: 0, count: count)
    unsafe load.initialize(to: CMigrationLoad.load())
    unsafe load.pointee.records = home.recordCount
    unsafe load.pointee.stride = stride
    unsafe load.pointee.first = first
    unsafe load.pointee.bytes = bytes
    unsafe load.pointee.packets = packets
    unsafe load.pointee.seed = 0x9e37 &+ first &* 77
    unsafe load.pointee.limit = .max
  }

  /// Registers the calling thread, which then runs batches by hand.
  func sit() throws {
    unsafe load.pointee.worker = try home.registerWorker(name: "load")
  }

  func rise() throws {
    if let worker = unsafe load.pointee.worker { unsafe try home.unregisterWorker(worker) }
  }

  func run(_ batches: Int = 1) { for _ in 0..<batches { unsafe load_run_once(load) } }

  /// Starts a thread that runs batches until `stop`, or so many.
  func start(batches: UInt64 = .max) throws {
    unsafe load.pointee.limit = batches
    let box = unsafe Unmanaged.passRetained(self).toOpaque()
    var thread = pthread_t()
    // SAFETY: the thread takes the one reference that was retained for it.
    let status = unsafe pthread_create(
      &thread, nil,
      { context in
        guard let context = unsafe context else { return nil }
        let worker = unsafe Unmanaged<LoadedWorker>.fromOpaque(context).takeRetainedValue()
        worker.work()
        return nil
      }, box)
    try #require(status == 0)
    self.thread = thread
    _ = ready.wait(until: .after(20_000_000_000)) { $0 > 0 ? true : nil }
  }

  private func work() {
    let isSeated = (try? sit()) != nil
    ready.withLock { $0 = 1 }
    guard isSeated else { return }
    unsafe load_run(load)
    try? rise()
  }

  func stop() {
    unsafe load_stop(load)
    join()
  }

  func join() {
    if let thread { _ = pthread_join(thread, nil) }
    thread = nil
  }

  func poison() { unsafe load_poison(load) }

  /// Waits until so many batches more have been run.
  func pass(_ batches: UInt64 = 100) {
    let goal = self.batches + batches
    while self.batches < goal { usleep(100) }
  }

  var batches: UInt64 { unsafe load_batches(load) }
  var byCandidate: UInt64 { unsafe load_by_candidate(load) }
  var offered: UInt64 { unsafe load.pointee.offered }
  var forwarded: UInt64 { unsafe load.pointee.forwarded }
  var refused: UInt64 { unsafe load.pointee.refused }
  var torn: UInt64 { unsafe load.pointee.torn }
  /// What the records of this worker must say, by their number.
  func book(_ record: Int) -> (bytes: UInt64, packets: UInt64) {
    unsafe (bytes[record], packets[record])
  }
}

extension Ledger {
  /// How many records do not say what the workers' own books say; no worker runs.
  func wrongRecords(_ workers: [LoadedWorker]) -> Int {
    guard let states = domain.states else { return .max }
    return unsafe Books.wrong(
      workers, records: recordCount, at: states.settledRecords(of: 0),
      isSecond: states.settledSchemas[0] == Self.second)
  }
}

/// Compares what records say with what workers have written down.
enum Books {
  static func wrong(
    _ workers: [LoadedWorker], records: UInt64, at base: UnsafeMutableRawPointer, isSecond: Bool
  ) -> Int {
    (0..<Int(records)).count { number in
      let book = workers[number % workers.count].book(number)
      if isSecond {
        let record = unsafe base.assumingMemoryBound(to: load_record_2.self)[number]
        return (record.bytes, record.packets) != book
      }
      let record = unsafe base.assumingMemoryBound(to: load_record_1.self)[number]
      return (record.bytes, record.packets) != book
    }
  }
}
