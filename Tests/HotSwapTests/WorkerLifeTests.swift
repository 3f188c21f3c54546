import CHitless
import Glibc
import HotSwap
import Platform
import Refusal
import Testing

/// Workers come, go, sleep and die while views change under them.
@Suite("Workers that come and go")
struct WorkerLifeTests {
  let domain = SwapDomain(slotCount: 0, poisonsRetiredMemory: true)

  /// What a dead worker had used used to be kept for ever.
  @Test func `a thread that ended without unregistering holds up nothing, and is named`() throws {
    let generations = try [domain.makeGeneration([]), domain.makeGeneration([])]
    _ = try domain.publish(stable: generations[0])
    let worker = try Puppet("ghost", in: domain)
    #expect(worker.enter() == 1)
    worker.stop()
    #expect(domain.workerReports().map(\.activity) == [.ended])
    let publication = try domain.publish(stable: generations[1])
    #expect(hasPassed(domain.waitForGrace(publication, timeout: SwapDomainTests.long)))
    let ended = domain.takeEndedWorkers()
    #expect(ended.map(\.name) == ["ghost"] && ended.map(\.activity) == [.ended])
    #expect(ended.map(\.seen) == [1])
    #expect(domain.takeEndedWorkers().isEmpty && domain.endedWorkerCount == 1)
    #expect(domain.workerCount == 0 && domain.overdueGenerationCount == 0)
    try domain.release(generations[0])
  }

  /// The domain may have ended a worker before the host gets to it; its record must not be another one's by then.
  @Test func `unregistering a worker whose thread had ended ends no other`() throws {
    let generation = try domain.makeGeneration([])
    _ = try domain.publish(stable: generation)
    let ghost = try Puppet("ghost", in: domain)
    ghost.stop()
    let publication = try domain.publish(stable: generation)
    #expect(hasPassed(domain.waitForGrace(publication, timeout: SwapDomainTests.long)))
    let next = try Puppet("next", in: domain)
    #expect(unsafe try next.pointer != ghost.pointer)
    unsafe try domain.unregisterWorker(ghost.pointer)
    #expect(refusal { unsafe try domain.unregisterWorker(ghost.pointer) }?.kind == .state)
    #expect(domain.workerReports().map(\.name) == ["next"])
    let third = try Puppet("third", in: domain)
    #expect(unsafe try third.pointer == ghost.pointer)
    #expect(third.enter() == publication.sequence)
    for worker in [next, third] { try end(worker) }
  }

  @Test func `a thread that lives is not taken for ended, whatever it does not do`() throws {
    let generation = try domain.makeGeneration([])
    _ = try domain.publish(stable: generation)
    let blocked = try Puppet("blocked", in: domain)
    let (entered, gate) = (Gate(), Gate())
    unsafe blocked.begin { worker in
      _ = unsafe hitless_enter(worker)
      entered.open()
      gate.wait()
    }
    entered.wait()
    let publication = try domain.publish(stable: generation)
    for _ in 0..<3 {
      let outcome = domain.waitForGrace(publication, timeout: 20_000_000)
      #expect(late(outcome).map(\.name) == ["blocked"])
    }
    #expect(domain.takeEndedWorkers().isEmpty)
    gate.open()
    blocked.finish()
    #expect(blocked.enter() == publication.sequence)
    #expect(hasPassed(domain.waitForGrace(publication, timeout: SwapDomainTests.long)))
    try end(blocked)
  }

  @Test func `a number that the kernel has given to another thread names another thread`() throws {
    let own = ThreadIdentity.current
    #expect(!own.hasEnded)
    #expect(ThreadIdentity(id: own.id, start: own.start.map { $0 &+ 1 }).hasEnded)
    // Without a time nothing can be told apart, and nothing is taken for ended.
    #expect(!ThreadIdentity(id: own.id, start: nil).hasEnded)
    let other = Box<ThreadIdentity?>(nil)
    let thread = try #require(PinnedThread(onProcessor: 0) { other.set(.current) })
    thread.join()
    let identity = try #require(other.value)
    // A joined thread may be on its way out of the kernel for a moment.
    var looks = 0
    while !identity.hasEnded, looks < 10_000 {
      usleep(1000)
      looks += 1
    }
    #expect(identity.hasEnded)
  }

  @Test func `a worker that sleeps through an announcement, idle or not, loses no view`() throws {
    let generations = try [domain.makeGeneration([]), domain.makeGeneration([])]
    _ = try domain.publish(stable: generations[0])
    let idle = try Puppet("idle", in: domain)
    let asleep = try Puppet("asleep", in: domain)
    unsafe idle.run { unsafe hitless_idle($0) }
    let announced = try domain.announce(generations[1], timeout: 1_000_000)
    #expect(!announced, "one of them does not fetch anything")
    let publication = try domain.publish(stable: generations[1])
    #expect(late(domain.waitForGrace(publication, timeout: 20_000_000)).map(\.name) == ["asleep"])
    unsafe idle.run { unsafe hitless_resume($0) }
    for worker in [idle, asleep] { #expect(worker.enter() == publication.sequence) }
    #expect(hasPassed(domain.waitForGrace(publication, timeout: SwapDomainTests.long)))
    #expect(domain.overdueGenerationCount == 0)
    for worker in [idle, asleep] { try end(worker) }
  }

  /// Every view that a batch meets is whole from its first look to its last, and nobody is left behind.
  @Test func `64 workers come, work, sleep, go and die while views change under them`() throws {
    let generations = try [domain.makeGeneration([]), domain.makeGeneration([])]
    _ = try domain.publish(stable: generations[0])
    let state = Guarded((torn: 0, batches: 0, deaths: 0, failures: 0))
    let isOver = Box(false)
    let threads = (0..<64).map { number in
      PinnedThread(onProcessor: UInt32(number % 2)) { [domain] in
        var life = WorkerLife(seed: UInt64(number) + 1, dies: number % 8 == 5, domain)
        life.run { isOver.value }
        let outcome = life
        state.withLock { state in
          state.torn += outcome.torn
          state.batches += outcome.batches
          state.deaths += outcome.isDead ? 1 : 0
          state.failures += outcome.failures
        }
      }
    }
    var swaps = 0
    let end = MonotonicClock.now + 700_000_000
    // With a sanitizer on a busy machine, 64 threads may take all that time for one grace period.
    while MonotonicClock.now < end || swaps < 4 {
      let next = generations[swaps % 2]
      if swaps % 3 == 0 { try domain.announce(next, timeout: 0) }
      var publication = try domain.publish(stable: next)
      if swaps % 4 == 0 { publication = try domain.publish(stable: generations[(swaps + 1) % 2]) }
      #expect(hasPassed(domain.waitForGrace(publication, timeout: SwapDomainTests.long)))
      swaps += 1
    }
    isOver.set(true)
    for thread in threads { try #require(thread).join() }
    let last = try domain.publish(stable: generations[0])
    #expect(hasPassed(domain.waitForGrace(last, timeout: SwapDomainTests.long)))
    domain.endWorkersWithoutThread()
    let (torn, batches, deaths, failures) = state.withLock { $0 }
    #expect(torn == 0 && failures == 0)
    #expect(swaps > 1 && batches > 64 && deaths == 8)
    #expect(domain.workerCount == 0 && domain.endedWorkerCount == UInt64(deaths))
    #expect(domain.overdueGenerationCount == 0)
    print("workers: \(swaps) swaps, \(batches) batches, \(deaths) died")
  }

  @Test func `a thousand slots change together`() throws {
    let count = 1000
    let domain = SwapDomain(slotCount: count, poisonsRetiredMemory: true)
    let modules = try [
      ModuleFixture(["ANSWER=71"]).map(ordinal: 0), ModuleFixture(["ANSWER=72"]).map(ordinal: 1),
    ]
    let generations = try modules.map { module in
      try domain.makeGeneration((0..<count).map { _ in module })
    }
    _ = try domain.publish(stable: generations[0])
    let worker = try Puppet("worker", in: domain)
    for round in 0..<20 {
      try domain.announce(generations[round % 2], timeout: 0)
      let publication = try domain.publish(stable: generations[round % 2])
      let ordinals = Box<Set<UInt32>>([])
      unsafe worker.run { worker in
        let serving = unsafe hitless_enter(worker).pointee.serving.pointee
        ordinals.set(Set((0..<count).compactMap { unsafe serving.modules[$0]?.pointee.ordinal }))
      }
      #expect(ordinals.value == [UInt32(round % 2)])
      #expect(hasPassed(domain.waitForGrace(publication, timeout: SwapDomainTests.long)))
    }
    worker.stop()
    unsafe try domain.unregisterWorker(worker.pointer)
  }

  private func end(_ worker: Puppet) throws {
    worker.stop()
    unsafe try domain.unregisterWorker(worker.pointer)
  }
}

/// What one thread does that is a worker now and then.
private struct WorkerLife {
  private var random: UInt64
  private let dies: Bool
  private let domain: SwapDomain
  private(set) var batches = 0
  private(set) var torn = 0
  private(set) var failures = 0
  private(set) var isDead = false

  init(seed: UInt64, dies: Bool, _ domain: SwapDomain) {
    random = seed &* 0x9e37_79b9_7f4a_7c15
    self.dies = dies
    self.domain = domain
  }

  private mutating func next(below limit: UInt64) -> UInt64 {
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    return random % limit
  }

  /// Until `isOver`; one that `dies` does so in its last life, without a word, in the middle of a batch.
  mutating func run(until isOver: () -> Bool) {
    while true {
      let isLast = isOver()
      guard let worker = unsafe try? domain.registerWorker(name: "one of many") else {
        failures += 1
        return
      }
      for _ in 0..<next(below: 40) { unsafe batch(worker) }
      if isLast && dies {
        _ = unsafe hitless_enter(worker)
        isDead = true
        return
      }
      if unsafe (try? domain.unregisterWorker(worker)) == nil { failures += 1 }
      if isLast { return }
    }
  }

  private mutating func batch(_ worker: UnsafeMutablePointer<hitless_worker>) {
    if next(below: 4) == 0 {
      unsafe hitless_idle(worker)
      if next(below: 2) == 0 { usleep(UInt32(next(below: 300))) }
      unsafe hitless_resume(worker)
    }
    guard let view = unsafe hitless_enter(worker) else { return torn += 1 }
    let sequence = unsafe view.pointee.sequence
    for _ in 0..<next(below: 200) {
      if unsafe !isWhole(view, sequence) { torn += 1 }
    }
    batches += 1
  }

  private func isWhole(_ view: UnsafePointer<hitless_view>, _ sequence: UInt64) -> Bool {
    unsafe view.pointee.sequence == sequence
      && view.pointee.size == UInt32(MemoryLayout<hitless_view>.size)
      && view.pointee.serving.pointee.size == UInt32(MemoryLayout<hitless_generation>.size)
  }
}
