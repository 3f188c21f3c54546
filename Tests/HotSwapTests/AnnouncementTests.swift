import CHitless
import Glibc
import HotSwap
import Refusal
import Testing

@Suite("Announcements")
struct AnnouncementTests {
  static let short = SwapDomainTests.short
  static let long = SwapDomainTests.long

  @Test func `an announcement changes nothing that is in force`() throws {
    let domain = SwapDomain(slotCount: 0, poisonsRetiredMemory: true)
    let generations = try (0..<3).map { _ in try domain.makeGeneration([]) }
    _ = try domain.publish(
      stable: generations[0], candidate: generations[1], placement: .flows(99), deadline: 77)
    let worker = try Puppet("worker", in: domain)
    try domain.announce(generations[2], timeout: 0)
    let view = try #require(look(worker))
    #expect(view.sequence == 2)
    #expect(view.generations == [1, 1, 2])
    #expect(view.share == 99 && view.deadline == 77)
    #expect(!view.lines.isEmpty)
    let publication = try domain.publish(stable: generations[2])
    #expect(worker.enter() == publication.sequence)
    #expect(look(worker)?.lines == [])
    try end(worker, of: domain)
  }

  @Test func `a worker fetches a few lines per batch, and then says that it is ready`() throws {
    let domain = SwapDomain(slotCount: 1)
    let generations = try ["ANSWER=91", "ANSWER=92"].map {
      try domain.makeGeneration([try attachedFixture($0)])
    }
    _ = try domain.publish(stable: generations[0])
    let worker = try Puppet("worker", in: domain)
    #expect(try !domain.announce(generations[1], timeout: Self.short), "no batch was run")
    let lines = try #require(look(worker)?.lines)
    var batches = 1
    while ready(worker) < 2, batches < 1000 {
      _ = worker.enter()
      batches += 1
    }
    #expect(batches == (lines.count + 3) / Int(HITLESS_LINES_PER_BATCH))
    // Round again, and no later announcement begins in the middle.
    _ = worker.enter()
    try domain.announce(generations[1], timeout: 0)
    #expect(look(worker)?.sequence == 3)
    #expect(ready(worker) == 2)
    try end(worker, of: domain)
  }

  @Test func `the wait ends when all workers are ready, idle, or past the announcement`() throws {
    let domain = SwapDomain(slotCount: 0)
    let generations = [try domain.makeGeneration([]), try domain.makeGeneration([])]
    _ = try domain.publish(stable: generations[0])
    let busy = try Puppet("busy", in: domain)
    let idle = try Puppet("idle", in: domain, onProcessor: 0)
    unsafe idle.run { unsafe hitless_idle($0) }
    let stop = Box(false)
    unsafe busy.begin { worker in while !stop.value { _ = unsafe hitless_enter(worker) } }
    #expect(try domain.announce(generations[1], timeout: Self.long))
    stop.set(true)
    busy.finish()
    #expect(try !domain.announce(generations[1], timeout: Self.short))
    try end(busy, of: domain)
    #expect(try domain.announce(generations[1], timeout: 0), "only the idle one is left")
    try end(idle, of: domain)
  }

  @Test func `what is announced are the table and the code of modules that are new`() throws {
    let domain = SwapDomain(slotCount: 2)
    let modules = try ["ANSWER=93", "ANSWER=94", "ANSWER=95"].map { try attachedFixture($0) }
    let stable = try domain.makeGeneration([modules[0], modules[1]])
    let next = try domain.makeGeneration([modules[0], modules[2]])
    _ = try domain.publish(stable: stable)
    let worker = try Puppet("worker", in: domain)
    try domain.announce(next, timeout: 0)
    let lines = Set(try #require(look(worker)?.lines))
    func holds(_ address: UInt) -> Bool { lines.contains(address / 64 * 64) }
    let tables = modules.map { unsafe UInt(bitPattern: $0.table) }
    // The fixture's table has its function after its size.
    let functions = modules.map { unsafe $0.table.load(fromByteOffset: 8, as: UInt.self) }
    #expect(holds(tables[2]) && holds(functions[2]))
    #expect(!holds(tables[0]) && !holds(functions[0]) && !holds(functions[1]))
    #expect(holds(unsafe UInt(bitPattern: next.record)))
    #expect(lines.count <= 1024)
    try end(worker, of: domain)
  }

  @Test func `of a large module the beginnings of its functions are announced`() throws {
    let domain = SwapDomain(slotCount: 1)
    let modules = try ["ANSWER=96", "ANSWER=97"].enumerated().map { index, macro in
      try attachedFixture(macro, index == 0 ? [] : ["PADDING=1048576"])
    }
    let generations = try modules.map { try domain.makeGeneration([$0]) }
    _ = try domain.publish(stable: generations[0])
    let worker = try Puppet("worker", in: domain)
    try domain.announce(generations[1], timeout: 0)
    let lines = try #require(look(worker)?.lines)
    let function = unsafe modules[1].table.load(fromByteOffset: 8, as: UInt.self)
    #expect(lines.contains(function / 64 * 64))
    #expect(lines.count < 64, "not all of a mebibyte")
    try end(worker, of: domain)
  }

  @Test func `a generation is not released while it is announced`() throws {
    let domain = SwapDomain(slotCount: 0, poisonsRetiredMemory: true)
    let generations = [try domain.makeGeneration([]), try domain.makeGeneration([])]
    #expect(refusal { try domain.announce(generations[1], timeout: 0) }?.kind == .state)
    _ = try domain.publish(stable: generations[0])
    let worker = try Puppet("worker", in: domain)
    try domain.announce(generations[1], timeout: 0)
    #expect(refusal { try domain.release(generations[1]) }?.kind == .state)
    let publication = try domain.publish(stable: generations[0])
    #expect(worker.enter() == publication.sequence)
    #expect(hasPassed(domain.waitForGrace(publication, timeout: Self.long)))
    try domain.release(generations[1])
    #expect(refusal { try domain.announce(generations[1], timeout: 0) }?.kind == .state)
    try end(worker, of: domain)
  }

  /// What one batch finds in its view.
  private struct Seen: Sendable {
    let sequence: UInt64
    let generations: [UInt64]
    let share: UInt32
    let deadline: UInt64
    let lines: [UInt]
  }

  private func look(_ worker: Puppet) -> Seen? {
    let seen = Box<Seen?>(nil)
    unsafe worker.run { worker in
      let view = unsafe hitless_enter(worker).pointee
      let lines = unsafe (0..<Int(view.line_count)).map { unsafe UInt(bitPattern: view.lines[$0]) }
      unsafe seen.set(
        Seen(
          sequence: view.sequence,
          generations: [
            view.serving.pointee.number, view.stable.pointee.number,
            view.candidate?.pointee.number ?? 0,
          ], share: view.share, deadline: view.deadline, lines: lines))
    }
    return seen.value
  }

  private func ready(_ worker: Puppet) -> UInt64 {
    let ready = Box<UInt64>(0)
    unsafe worker.run { ready.set(unsafe $0.pointee.ready) }
    return ready.value
  }

  private func attachedFixture(_ macro: String, _ more: [String] = []) throws -> MappedModule {
    let module = try ModuleFixture([macro] + more).map()
    let control = Counter()
    unsafe try module.attach(services: HostServices(), control: control.pointer)
    return module
  }

  private func end(_ worker: Puppet, of domain: SwapDomain) throws {
    worker.stop()
    unsafe try domain.unregisterWorker(worker.pointer)
  }
}
