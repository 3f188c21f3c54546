import Agent
import CHitless
import CMigrationLoad
import DeltaEncoder
import Generator
import Glibc
import Guard
import HotSwap
import PatchFormat
import Platform
import Probation
import Refusal
import Signing
import Staging
import TestSupport
import Testing

/// A host with one table of records and one slot, whose module an agent swaps.
@safe
final class LedgerSite: WorkerHome, @unchecked Sendable {
  let directory: TemporaryDirectory
  private let key: SigningKey
  let recordCount: UInt64
  var options: AgentOptions
  /// What the host can give room to; nil: it defines no table.
  var schemas: [StateDefinition.Schema]? = [Ledger.first, Ledger.second]
  /// Whether there is a second table, for what stands beside the records.
  var hasSideArea = false
  /// Whether there is a second slot, whose module shares the records of the first.
  var hasMirror = false
  /// How many records that module has to itself instead, in a table of its own; 0: it shares them.
  var mirrorRecordCount: UInt64 = 0
  /// Macros of that module.
  private var mirror: [String] {
    let own = mirrorSchemas.enumerated().map { "SCHEMA_\($0 + 1)=\($1.id)u" }
    return ["NAME=\"mirror\""] + (mirrorRecordCount > 0 ? own : [])
  }
  private var mirrorSchemas: [StateDefinition.Schema] {
    [Ledger.first, Ledger.second].map { .init(id: $0.id + 0x1000, size: $0.size) }
  }
  private(set) var agent: Agent?
  /// The records, which are the host's.
  private let records: UnsafeMutableRawPointer

  init(records count: UInt64) throws {
    recordCount = count
    directory = try TemporaryDirectory()
    key = try SigningKey.generate()
    unsafe records = .allocate(byteCount: Int(count) * 64, alignment: 64)
    unsafe records.initializeMemory(as: UInt8.self, repeating: 0, count: Int(count) * 64)
    options = AgentOptions(stateDirectory: directory.path("state"))
    options.trustKeys = [try directory.write("vendor.pub", try key.publicKey.pem)]
    options.product = "upf"
    options.probe = try BuiltProduct.path("hitless-probe")
    options.graceTimeout = 10_000_000_000
    options.guarding.batchBudget = Ledger.budget
    try directory.write("ledger.so", try LedgerModule.image([]))
  }

  deinit {
    try? agent?.close()
    unsafe records.deallocate()
  }

  @discardableResult
  func start() throws -> Agent {
    let agent = try Agent(options)
    try directory.write("mirror.so", try LedgerModule.image(mirror))
    for name in hasMirror ? ["ledger", "mirror"] : ["ledger"] {
      let requirement = SlotRequirement(
        name: name, interfaceID: 7, interfaceVersion: 1, tableSize: 24)
      _ = try agent.defineSlot(SlotOptions(requirement, module: directory.path("\(name).so")))
    }
    if let schemas {
      _ = try agent.defineStates(
        unsafe StateDefinition(
          name: "ledger", schemas: schemas, count: recordCount, records: records))
    }
    if mirrorRecordCount > 0 {
      _ = try agent.defineStates(
        StateDefinition(name: "mirror", schemas: mirrorSchemas, count: mirrorRecordCount))
    }
    if hasSideArea {
      let side = StateDefinition.Schema(
        id: LOAD_SCHEMA_SIDE, size: UInt32(MemoryLayout<load_side>.size))
      _ = try agent.defineStates(
        StateDefinition(name: "side", schemas: [side], count: recordCount))
    }
    try agent.start()
    self.agent = agent
    return agent
  }

  /// A patch from the first layout to the second, installed; `base` are the macros of what is in force.
  func install(
    _ macros: [String] = [], from base: [String] = [], sequence: UInt64 = 2
  ) throws -> UInt64 {
    try install(base, ["SCHEMA=2"] + macros, sequence, .hotWithMigration)
  }

  /// A patch that keeps more beside the first layout, installed.
  func installSide() throws -> UInt64 { try install([], ["SIDE"], 2, .hot) }

  /// A patch that changes nothing about records, installed.
  func installHot(
    _ macros: [String], from base: [String] = [], sequence: UInt64 = 2
  ) throws -> UInt64 {
    try install(base, macros, sequence, .hot)
  }

  private func install(
    _ base: [String], _ target: [String], _ sequence: UInt64, _ upgradeClass: UpgradeClass
  ) throws -> UInt64 {
    let pairs = try (hasMirror ? [[], mirror] : [[]]).map { more in
      PatchRequest.Pair(
        base: try LedgerModule.image(base + more), target: try LedgerModule.image(target + more),
        names: ("base", "target"))
    }
    var request = PatchRequest(pairs: pairs, keys: [key])
    request.product = "upf"
    request.release = "r\(sequence)"
    request.sequence = sequence
    // What is tried here is not how small a patch is.
    request.effort = .quick
    let built = try PatchBuilder.build(request)
    #expect(built.manifest.upgradeClass == upgradeClass)
    return try #require(agent).install(patch: built.bytes)
  }

  /// How many packets stand in the side area, as any worker finds it.
  func sidePackets() throws -> UInt64 {
    let records = unsafe try sideRecords()
    return (0..<Int(recordCount)).reduce(0) { sum, record in
      unsafe sum + records[record].packets
    }
  }

  /// Does for the side area what `mlockall` does for all memory of a host.
  func lockSideArea() throws {
    let records = unsafe try sideRecords()
    let status = unsafe mlock(records, Int(recordCount) * MemoryLayout<load_side>.stride)
    try #require(status == 0)
  }

  private func sideRecords() throws -> UnsafeMutablePointer<load_side> {
    unsafe try withView { view in
      guard let table = unsafe view.pointee.states?.pointee.tables[1],
        let records = unsafe table.areas.0.records?.assumingMemoryBound(to: load_side.self)
      else { throw Refusal(.state, "there is no side area") }
      return unsafe records
    }
  }

  /// What is in force, as any worker finds it: the generation to fall back to, and the one under guard.
  func generations() throws -> (stable: UInt64, guarded: UInt64?) {
    unsafe try withView { view in
      unsafe (view.pointee.stable.pointee.number, view.pointee.candidate?.pointee.number)
    }
  }

  private func withView<Result>(
    _ body: (UnsafePointer<hitless_view>) throws -> Result
  ) throws -> Result {
    let worker = unsafe try registerWorker(name: "reader")
    defer { try? unsafe unregisterWorker(worker) }
    guard let view = unsafe hitless_enter(worker) else {
      throw Refusal(.state, "there is no view")
    }
    return unsafe try body(view)
  }

  /// A rollout of whole flows: 10 %, half, all.
  static func plan(_ kind: RolloutPlan.Kind = .flows) -> RolloutPlan {
    var plan = RolloutPlan()
    plan.kind = kind
    plan.steps = RolloutPlan.steps(.flows, first: .share(6554), later: [32_768, RolloutPlan.all])
    plan.dwell = 200_000_000
    plan.confirmWithin = 120_000_000_000
    plan.thresholds.minimumPackets = 1
    return plan
  }

  /// The audit log as text.
  var audit: String {
    String(decoding: contents(of: directory.path("state/audit.jsonl")) ?? [], as: UTF8.self)
  }

  func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker> {
    guard let agent else { throw Refusal(.state, "there is no agent") }
    return unsafe try agent.registerWorker(name: name)
  }

  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) throws(Refusal) {
    unsafe try agent?.unregisterWorker(worker)
  }

  /// As long as records lie where the host has put them: how many do not say what the workers' books say.
  func wrongRecords(_ workers: [LoadedWorker]) -> Int {
    unsafe Books.wrong(workers, records: recordCount, at: records, isSecond: false)
  }

  /// A record, as long as records lie where the host has put them.
  func record(_ number: Int) -> UnsafeMutablePointer<load_record_1> {
    unsafe records.assumingMemoryBound(to: load_record_1.self) + number
  }

  /// Two workers under load, of different records.
  func startWorkers() throws -> [LoadedWorker] {
    let workers = (0..<2).map { LoadedWorker(self, first: $0, stride: 2) }
    for worker in workers { try worker.start() }
    for worker in workers { worker.pass() }
    return workers
  }
}
