import CHitless
import ElfImage
import Glibc
import Guard
import HotSwap
import Platform
import Probation
import Refusal
import Staging
import TestSupport
import Testing

@testable import Agent

/// A byte of a mapped module changes, as by a wild write, a broken memory module, or an intruder.
@Suite("Golden image")
struct GoldenTests {
  let site: Site

  init() throws {
    site = try Site()
    // Nobody looks but the test, except where it says so.
    site.options.golden.interval = 0
  }

  /// Where in a module the byte lies.
  enum Place: CaseIterable {
    case code, table, constants
  }

  /// Changes one byte of `module`, which no test calls.
  private func damage(_ module: StagedModule, _ place: Place = .code) throws {
    let info = unsafe module.module.info.pointee
    let address =
      switch place {
      case .code: UInt(info.code_address + info.code_size - 1)
      // The last word of the table: of no function that is called here.
      case .table: UInt(bitPattern: unsafe module.module.table) + 15
      case .constants: try #require(module.module.pieces(of: 1 << 20).first).lowerBound + 20
      }
    let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
    let start = unsafe UnsafeMutableRawPointer(bitPattern: address / page * page)
    // SAFETY: the page is part of a mapped module, and a private copy of it from here on.
    try #require(unsafe mprotect(start, Int(page), PROT_READ | PROT_WRITE | PROT_EXEC) == 0)
    unsafe UnsafeMutablePointer<UInt8>(bitPattern: address)?.pointee ^= 0x10
    try #require(unsafe mprotect(start, Int(page), PROT_READ | PROT_EXEC) == 0)
  }

  private func stable(_ agent: Agent, _ index: Int = 0) throws -> StagedModule {
    try #require(agent.state.withLock { $0.running?.modules[index] })
  }

  private func candidate(_ agent: Agent) throws -> StagedModule {
    try #require(agent.state.withLock { $0.transaction?.modules.first })
  }

  private func metric(_ agent: Agent, _ line: String) -> Bool {
    agent.metrics().split(separator: "\n").contains { $0 == line }
  }

  @Test func `modules that nobody has touched are what they were, however often one looks`() throws
  {
    let agent = try site.start()
    defer { try? agent.close() }
    for _ in 0..<3 { #expect(agent.checkGoldenImages() == 0) }
    #expect(metric(agent, "hitless_golden_checks_total 6"))
    #expect(metric(agent, "hitless_golden_mismatches_total 0"))
    let module = try stable(agent)
    let bytes = module.module.pieces(of: 1 << 20).reduce(0) { $0 + $1.count }
    #expect(module.golden.byteCount == bytes && bytes > 0)
  }

  /// It is in force every other turn, though its transaction is only staged.
  @Test(arguments: [true, false])
  func `an exercise ends when a module that it puts in force has changed`(
    isCandidate: Bool
  ) throws {
    let agent = try site.start()
    defer { try? agent.close() }
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    let order = try Order {
      try agent.exercise(number, count: 1000, intervalNanoseconds: 600_000_000_000)
    }
    #expect(eventually { worker.results == [32, 31] })
    try damage(try isCandidate ? candidate(agent) : stable(agent), .constants)
    #expect(agent.checkGoldenImages() == 1)
    #expect(try order.get().swaps == 2)
    #expect(eventually { worker.results == [31, 31] })
    #expect(agent.status().transactionState == .staged)
    worker.stop()
  }

  @Test(arguments: Place.allCases)
  func `a candidate on trial that changes in memory is rolled back, and not tried again`(
    place: Place
  ) throws {
    let agent = try site.start()
    defer { try? agent.close() }
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try damage(try candidate(agent), place)
    #expect(agent.checkGoldenImages() == 1)
    #expect(agent.status().transactionState == .rolledBack)
    // Not before: what was changed may be code that it would run.
    let worker = try TestWorker(agent)
    #expect(eventually { worker.results == [31, 31] })
    #expect(
      metric(agent, #"hitless_rollbacks_total{module="alpha",reason="golden_hash_mismatch"} 1"#))
    #expect(metric(agent, "hitless_golden_mismatches_total 1"))
    let refused = try #require(throws: Refusal.self) { try agent.activate(number) }
    #expect(refused.kind == .integrity)
    // It has been said, and does not become two by being found again.
    #expect(agent.checkGoldenImages() == 1)
    #expect(metric(agent, "hitless_golden_mismatches_total 1"))
    let kinds = try site.auditKinds()
    #expect(kinds.filter { $0 == "damaged" }.count == 1)
    #expect(!kinds.contains("alarm"))
    worker.stop()
  }

  @Test func `a stable module that changes leads back to the one before, for the next start too`()
    throws
  {
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try agent.confirm(number)
    try damage(try stable(agent))
    #expect(agent.checkGoldenImages() == 1)
    let worker = try TestWorker(agent)
    #expect(eventually { worker.results == [31, 31] })
    #expect(
      metric(agent, #"hitless_rollbacks_total{module="alpha",reason="golden_hash_mismatch"} 1"#))
    #expect(!(try site.auditKinds().contains("alarm")))
    worker.stop()
    try agent.close()
    let next = try site.start()
    defer { try? next.close() }
    #expect(try stable(next).facts.version.description == "1.0.0")
  }

  /// Stable, which has most of the traffic or all of it, was left as it was: the candidate, which is good, counted as what
  /// runs, and the alarm said that there was nothing to go back to.
  @Test(arguments: [false, true])
  func `a stable module that changes beside a canary or a shadow leads back to the one before`(
    isShadow: Bool
  ) throws {
    let agent = try site.open()
    defer { try? agent.close() }
    try agent.defineShadow(try unsafe ShadowHost(ShadowTests.host()))
    try agent.start()
    let first = try agent.install(patch: try site.patch())
    _ = try agent.activate(first)
    try agent.confirm(first)
    let second = try agent.install(patch: try site.patch(from: 1, to: 2, sequence: 3))
    if isShadow {
      _ = try agent.activate(second, shadow: ShadowPlan(share: 3277, batches: 10))
    } else {
      var plan = RolloutPlan()
      plan.steps = [.share(655), .share(RolloutPlan.all)]
      _ = try agent.activate(second, plan)
    }
    #expect(agent.status().transactionState == .active)
    try damage(try stable(agent))
    #expect(agent.checkGoldenImages() == 1)
    // Else it would run what was changed.
    try #require(agent.status().transactionState == .rolledBack)
    let worker = try TestWorker(agent)
    #expect(eventually { worker.results == [31, 31] })
    worker.stop()
    #expect(
      metric(agent, #"hitless_rollbacks_total{module="alpha",reason="golden_hash_mismatch"} 1"#))
    #expect(metric(agent, #"hitless_rollbacks_total{module="alpha",reason="inconclusive"} 1"#))
    #expect(!(try site.auditKinds().contains("alarm")))
  }

  /// The alarm said to restart the host, which would have ended a candidate that was good.
  @Test func `where a good candidate has everything the alarm says to confirm it`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try damage(try stable(agent))
    #expect(agent.checkGoldenImages() == 1)
    #expect(agent.status().transactionState == .active)
    let audit = String(decoding: contents(of: "\(site.state)/audit.jsonl") ?? [], as: UTF8.self)
    let alarm = try #require(
      audit.split(separator: "\n").first { $0.contains(#""event":"alarm""#) }, "\(audit)")
    #expect(alarm.contains("confirm it") && !alarm.contains("stays in force"), "\(alarm)")
    try agent.confirm(number)
    #expect(agent.doctor().contains { $0.subject == "patches" && $0.isFine })
  }

  /// Nobody was told again when everything was the damaged module's once more.
  @Test func `when that candidate goes all the same there is another alarm, and only one`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try damage(try stable(agent))
    for _ in 0..<2 { #expect(agent.checkGoldenImages() == 1) }
    #expect(try site.auditKinds().filter { $0 == "alarm" }.count == 1)
    try agent.rollback(number, because: .notConfirmed)
    for _ in 0..<2 { #expect(agent.checkGoldenImages() == 1) }
    #expect(try site.auditKinds().filter { $0 == "alarm" }.count == 2)
  }

  @Test func `what there is to go back to is kept, however many candidates come and go`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    let first = try agent.install(patch: try site.patch())
    _ = try agent.activate(first)
    try agent.confirm(first)
    for sequence in 3...9 {
      let number = try agent.install(
        patch: try site.patch(from: 1, to: 2, sequence: UInt64(sequence)))
      try agent.rollback(number)
    }
    try damage(try stable(agent))
    #expect(agent.checkGoldenImages() == 1)
    #expect(try stable(agent).facts.version.description == "1.0.0")
  }

  @Test func `a stable module with nothing before it stays, and an operator is called`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    try damage(try stable(agent, 1))
    #expect(agent.checkGoldenImages() == 1)
    #expect(metric(agent, #"hitless_health_alarm{cause="golden_image"} 1"#))
    #expect(try site.auditKinds().filter { $0 == "alarm" }.count == 1)
    #expect(agent.doctor().contains { $0.subject == "patches" && !$0.isFine })
    // A patch would leave the changed module in force.
    let number = try agent.install(patch: try site.patch())
    let refused = try #require(throws: Refusal.self) { try agent.activate(number) }
    #expect(refused.kind == .integrity)
    // One that replaces it is the way out.
    try agent.rollback(number)
    let mending = try agent.install(patch: try site.patch(["beta"]))
    _ = try agent.activate(mending)
    #expect(agent.status().transactionState == .active)
  }

  @Test func `what is to be gone back to is looked at before`() throws {
    let agent = try site.start()
    defer { try? agent.close() }
    let before = try stable(agent)
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try agent.confirm(number)
    let after = try stable(agent)
    try damage(before)
    try damage(after)
    #expect(agent.checkGoldenImages() == 2)
    #expect(try stable(agent) === after)
    #expect(try site.auditKinds().contains("alarm"))
  }

  @Test func `the background check finds it by itself`() throws {
    site.options.golden.interval = 20_000_000
    let agent = try site.start()
    defer { try? agent.close() }
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try damage(try candidate(agent))
    #expect(eventually(within: 60) { agent.status().transactionState == .rolledBack })
    #expect(threads().contains("hitless-golden"))
    try agent.close()
  }

  @Test func `modules come and go while they are looked at`() throws {
    site.options.golden.interval = 1_000_000
    let agent = try site.start()
    defer { try? agent.close() }
    let isOver = Guarded(false)
    let looking = try SystemThread.start("looking") {
      while !isOver.withLock({ $0 }) { agent.checkGoldenImages() }
    }
    for sequence in 2...13 {
      let number = try agent.install(
        patch: try site.patch(to: UInt32(sequence % 3) + 1, sequence: UInt64(sequence)))
      _ = try agent.activate(number)
      try agent.rollback(number)
    }
    isOver.withLock { $0 = true }
    looking.join()
    #expect(metric(agent, "hitless_golden_mismatches_total 0"))
    #expect(site.mappedImages("alpha") <= Agent.keptGenerations + 2)
  }

  @Test func `a round of looks keeps no module that nobody else holds`() throws {
    var round = GoldenRound([])
    weak var held: StagedModule?
    do {
      let agent = try site.start()
      let module = try stable(agent)
      round = GoldenRound([module])
      held = module
      #expect(round.next()?.module === module)
      try agent.close()
    }
    #expect(held == nil)
    #expect(round.next() == nil)
  }

  private func threads() -> [String] {
    names(in: "/proc/self/task").compactMap {
      contents(of: "/proc/self/task/\($0)/comm").map {
        String(decoding: $0.dropLast(), as: UTF8.self)
      }
    }
  }
}
