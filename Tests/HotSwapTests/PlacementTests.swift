import CHitless
import HotSwap
import Testing

@Suite("Where a candidate serves")
struct PlacementTests {
  let domain = SwapDomain(slotCount: 0, poisonsRetiredMemory: true)
  let stable: Generation
  let candidate: Generation

  init() throws {
    stable = try domain.makeGeneration([])
    candidate = try domain.makeGeneration([])
    _ = try domain.publish(stable: stable)
  }

  /// What a worker finds in its view.
  private struct Found: Equatable, Sendable {
    var serving: UInt64 = 0
    var candidate: UInt64 = 0
    var turns: UInt32 = 0
    var share: UInt32 = 0
    var sequence: UInt64 = 0
  }

  private func find(_ worker: Puppet) -> Found {
    let found = Box(Found())
    unsafe worker.run { worker in
      let view = unsafe hitless_enter(worker).pointee
      unsafe found.set(
        Found(
          serving: view.serving.pointee.number, candidate: view.candidate?.pointee.number ?? 0,
          turns: view.turns, share: view.share, sequence: view.sequence))
    }
    return found.value
  }

  private func end(_ worker: Puppet) throws {
    worker.stop()
    unsafe try domain.unregisterWorker(worker.pointer)
  }

  @Test func `workers have views of their own and of one sequence`() throws {
    let workers = try (0..<3).map { try Puppet("w\($0)", in: domain) }
    let publication = try domain.publish(
      stable: stable, candidate: candidate, placement: .workers(1))
    let found = workers.map(find)
    #expect(found.map(\.serving) == [candidate.number, stable.number, stable.number])
    #expect(found.map(\.turns) == [65_536, 0, 0])
    #expect(found.allSatisfy { $0.sequence == publication.sequence })
    #expect(found.allSatisfy { $0.candidate == candidate.number }, "stable is measured beside it")
    #expect(hasPassed(domain.waitForGrace(publication, timeout: SwapDomainTests.long)))
    for worker in workers { try end(worker) }
  }

  @Test func `a worker that comes meanwhile has the view of its index`() throws {
    let first = try Puppet("first", in: domain)
    _ = try domain.publish(stable: stable, candidate: candidate, placement: .workers(2))
    let second = try Puppet("second", in: domain)
    let third = try Puppet("third", in: domain)
    #expect([first, second, third].map { find($0).turns } == [65_536, 65_536, 0])
    try end(first)
    let fourth = try Puppet("fourth", in: domain)
    #expect([second, third, fourth].map { find($0).turns } == [65_536, 0, 65_536])
    // The lowest indices again, counted anew.
    _ = try domain.publish(stable: stable, candidate: candidate, placement: .workers(1))
    #expect([second, third, fourth].map { find($0).turns } == [0, 0, 65_536])
    for worker in [second, third, fourth] { try end(worker) }
  }

  @Test func `an announcement leaves every worker what it has`() throws {
    let workers = try (0..<2).map { try Puppet("w\($0)", in: domain) }
    _ = try domain.publish(stable: stable, candidate: candidate, placement: .workers(1))
    let next = try domain.makeGeneration([])
    try domain.announce(next, timeout: 0)
    #expect(workers.map { find($0).turns } == [65_536, 0])
    for worker in workers { try end(worker) }
  }

  @Test func `views of one sequence are retired together`() throws {
    let workers = try (0..<2).map { try Puppet("w\($0)", in: domain) }
    let addresses = Box<[UInt]>([])
    for _ in 0..<200 {
      _ = try domain.publish(stable: stable, candidate: candidate, placement: .workers(1))
      for worker in workers {
        unsafe worker.run { worker in
          let view = unsafe hitless_enter(worker)
          addresses.set(addresses.value + [UInt(bitPattern: view)])
        }
      }
      let last = try domain.publish(stable: stable)
      for worker in workers { _ = worker.enter() }
      #expect(hasPassed(domain.waitForGrace(last, timeout: SwapDomainTests.long)))
    }
    #expect(Set(addresses.value).count <= 130, "a view was lost for every publication")
    for worker in workers { try end(worker) }
  }

  @Test(arguments: [
    (Placement.nowhere, UInt32(0), UInt32(0)), (.batches(99), 99, 0), (.flows(99), 65_536, 99),
    (.everywhere, 65_536, 65_536), (.workers(0), 0, 0), (.workers(99), 65_536, 65_536),
  ])
  func `shares are what the view says`(placement: Placement, turns: UInt32, share: UInt32) throws {
    let worker = try Puppet("worker", in: domain)
    _ = try domain.publish(stable: stable, candidate: candidate, placement: placement)
    let found = find(worker)
    #expect(found.turns == turns && found.share == share)
    #expect(found.serving == (share == 65_536 ? candidate : stable).number)
    try end(worker)
  }

  @Test func `figures of workers that have gone are counted on`() throws {
    let before = domain.healthTotals(histograms: [0])
    for round in 1...3 {
      let worker = try Puppet("worker", in: domain)
      unsafe worker.run { worker in
        unsafe hitless_signal_add(worker, 1, 0, 5)
        unsafe hitless_signal_add(worker, 0, 99, 5)
        unsafe hitless_health_record(worker.pointee.health, 1, 0, 20)
      }
      try end(worker)
      let totals = domain.healthTotals(histograms: [0]).since(before)
      #expect(totals.counts[1][0] == UInt64(5 * round) && totals.counts[0].allSatisfy { $0 == 0 })
      #expect(totals.cells[1][0]?[20] == UInt32(round))
    }
  }
}
