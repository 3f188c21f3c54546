import CHitless
import Glibc
import HotSwap
import Refusal
import Testing

@Suite("Publications and grace periods")
struct SwapDomainTests {
  /// Short, because the tests that use it want the wait to end without success.
  static let short: UInt64 = 20_000_000
  /// Far beyond what a loaded machine needs.
  static let long: UInt64 = 20_000_000_000

  let domain = SwapDomain(slotCount: 0, poisonsRetiredMemory: true)

  @Test func `sequences rise by one with every publication`() throws {
    let generation = try domain.makeGeneration([])
    let sequences = try (0..<3).map { _ in try domain.publish(stable: generation).sequence }
    #expect(sequences == [1, 2, 3])
  }

  @Test func `a worker starts with the view in force and holds up nothing that was before`() throws
  {
    let generation = try domain.makeGeneration([])
    unsafe #expect(refusal { unsafe try domain.registerWorker(name: "early") }?.kind == .state)
    let publication = try domain.publish(stable: generation)
    let worker = try Puppet("late", in: domain)
    #expect(hasPassed(domain.waitForGrace(publication, timeout: 0)))
    #expect(worker.enter() == publication.sequence)
    try end(worker)
  }

  @Test func `a batch that is not split follows the candidate only when every flow does`() throws {
    let stable = try domain.makeGeneration([])
    let candidate = try domain.makeGeneration([])
    _ = try domain.publish(stable: stable)
    let worker = try Puppet("worker", in: domain)
    for (share, serving) in [
      (UInt32(0), stable), (65535, stable), (65536, candidate), (99999, candidate),
    ] {
      _ = try domain.publish(
        stable: stable, candidate: candidate, placement: .flows(share), deadline: 77)
      let numbers = Box<[UInt64]>([])
      unsafe worker.run { worker in
        let view = unsafe hitless_enter(worker).pointee
        unsafe numbers.set([
          view.serving.pointee.number, view.stable.pointee.number, view.candidate.pointee.number,
          UInt64(view.share), view.deadline,
        ])
      }
      #expect(
        numbers.value == [
          serving.number, stable.number, candidate.number, UInt64(min(share, 65536)), 77,
        ])
    }
    try end(worker)
  }

  @Test func `a grace period waits for the worker's next batch and then takes the old view back`()
    throws
  {
    let generations = try [domain.makeGeneration([]), domain.makeGeneration([])]
    _ = try domain.publish(stable: generations[0])
    let worker = try Puppet("worker", in: domain)
    let old = Box<UInt>(0)
    unsafe worker.run { old.set(UInt(bitPattern: unsafe hitless_enter($0))) }
    let publication = try domain.publish(stable: generations[1])
    let outcome = domain.waitForGrace(publication, timeout: Self.short)
    #expect(late(outcome).map(\.name) == ["worker"])
    #expect(late(outcome).map(\.seen) == [1])
    #expect(domain.overdueGenerationCount == 1)
    #expect(refusal { try domain.release(generations[0]) }?.kind == .state)
    #expect(isPoisoned(old.value) == false)

    #expect(worker.enter() == 2)
    let grace = try #require(passed(domain.waitForGrace(publication, timeout: Self.long)))
    #expect(grace.sequence == 2)
    #expect(domain.overdueGenerationCount == 0)
    #expect(isPoisoned(old.value))
    try domain.release(generations[0])
    #expect(refusal { try domain.publish(stable: generations[0]) }?.kind == .state)
    try end(worker)
  }

  @Test func `a worker that computes is reported as running`() throws {
    let generation = try domain.makeGeneration([])
    _ = try domain.publish(stable: generation)
    let worker = try Puppet("busy", in: domain)
    let stop = Box(false)
    unsafe worker.begin { _ in while !stop.value {} }
    let outcome = domain.waitForGrace(
      try domain.publish(stable: generation), timeout: Self.short)
    stop.set(true)
    worker.finish()
    // On a machine with more threads than processors it may not have had one while it was watched.
    let activities: [WorkerReport.Activity] = [.running, .notScheduled(state: "R")]
    #expect(late(outcome).map(\.name) == ["busy"])
    #expect(late(outcome).allSatisfy { activities.contains($0.activity) })
    try end(worker)
  }

  @Test func `a worker that sleeps without saying so is reported as not scheduled`() throws {
    let generation = try domain.makeGeneration([])
    _ = try domain.publish(stable: generation)
    let worker = try Puppet("sleeper", in: domain)
    let publication = try domain.publish(stable: generation)
    let outcome = domain.waitForGrace(publication, timeout: Self.short)
    #expect(late(outcome).map(\.activity) == [.notScheduled(state: "S")])
    #expect(
      late(outcome).first?.description.contains("without having said that it is idle") == true)
    try end(worker)
  }

  @Test func `an idle worker holds up nothing and comes back to the view in force`() throws {
    let generation = try domain.makeGeneration([])
    _ = try domain.publish(stable: generation)
    let worker = try Puppet("idle", in: domain)
    unsafe worker.run { unsafe hitless_idle($0) }
    #expect(domain.workerReports().map(\.activity) == [.idle])
    let publication = try domain.publish(stable: generation)
    #expect(hasPassed(domain.waitForGrace(publication, timeout: 0)))
    unsafe worker.run { unsafe hitless_resume($0) }
    let next = try domain.publish(stable: generation)
    #expect(late(domain.waitForGrace(next, timeout: Self.short)).map(\.seen) == [0])
    #expect(worker.enter() == next.sequence)
    #expect(hasPassed(domain.waitForGrace(next, timeout: Self.long)))
    try end(worker)
  }

  @Test func `an unregistered worker's record serves the next one`() throws {
    let generation = try domain.makeGeneration([])
    _ = try domain.publish(stable: generation)
    let first = try Puppet("first", in: domain)
    let record = unsafe try first.pointer
    try end(first)
    let publication = try domain.publish(stable: generation)
    let second = try Puppet("second", in: domain)
    #expect(unsafe try second.pointer == record)
    #expect(second.enter() == publication.sequence)
    #expect(domain.workerReports().map(\.name) == ["second"])
    try end(second)
  }

  /// Each publication takes a view, and none comes back while the worker has not passed.
  @Test func `publications go on while a worker is overdue`() throws {
    let generation = try domain.makeGeneration([])
    _ = try domain.publish(stable: generation)
    let worker = try Puppet("stuck", in: domain)
    var publication = try domain.publish(stable: generation)
    for _ in 0..<500 { publication = try domain.publish(stable: generation) }
    #expect(!hasPassed(domain.waitForGrace(publication, timeout: 0)))
    #expect(worker.enter() == publication.sequence)
    #expect(hasPassed(domain.waitForGrace(publication, timeout: Self.long)))
    try end(worker)
  }

  @Test func `a generation of another domain is refused`() throws {
    let other = try SwapDomain(slotCount: 0).makeGeneration([])
    #expect(refusal { try domain.publish(stable: other) }?.kind == .state)
    #expect(refusal { try domain.release(other) }?.kind == .state)
  }

  private func end(_ worker: Puppet) throws {
    worker.stop()
    unsafe try domain.unregisterWorker(worker.pointer)
  }

  private func isPoisoned(_ address: UInt) -> Bool {
    // SAFETY: retired views stay the domain's memory.
    unsafe UnsafePointer<UInt8>(bitPattern: address)?.pointee == poisonByte
  }
}

/// The evidence of a grace period, or nil when a worker was overdue.
func passed(_ outcome: GraceOutcome) -> GracePeriod? {
  guard case .passed(let grace) = outcome else { return nil }
  return grace
}

func hasPassed(_ outcome: GraceOutcome) -> Bool { passed(outcome) != nil }

/// The workers that were overdue.
func late(_ outcome: GraceOutcome) -> [WorkerReport] {
  guard case .overdue(let workers) = outcome else { return [] }
  return workers
}
