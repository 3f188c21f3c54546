import CHitless
import HotSwap
import Testing

@Suite("Times of guarded batches", .serialized)
struct MeasurementTests {
  /// Samples of whole batches, of stable and of the candidate.
  private func samples(_ home: GuardedDomain, since before: HealthTotals) -> [UInt64] {
    let totals = home.domain.healthTotals(histograms: [HealthTotals.batchHistogram]).since(before)
    return totals.cells.map { $0[0]?.reduce(0) { $0 + UInt64($1) } ?? 0 }
  }

  private func reading(_ home: GuardedDomain) -> HealthTotals {
    home.domain.healthTotals(histograms: [HealthTotals.batchHistogram])
  }

  @Test(arguments: [
    (Placement.everywhere, 0, 1000), (.nowhere, 1000, 0), (.batches(32_768), 1000, 1000),
    (.batches(655), 1000, 160), (.flows(32_768), 0, 0),
  ])
  func `some batches of each side are measured, at distances that are drawn`(
    placement: Placement, stable: Int, candidate: Int
  ) throws {
    let home = try GuardedDomain()
    let worker = try HandWorker(home)
    let before = reading(home)
    try home.tryCandidate(placement: placement)
    for _ in 0..<16_000 { _ = worker.run() }
    let found = samples(home, since: before).map { Int($0) }
    #expect(abs(found[0] - stable) <= stable / 5, "\(found)")
    #expect(abs(found[1] - candidate) <= candidate / 5, "\(found)")
    try worker.end()
  }

  @Test func `without a candidate nothing is measured, and a batch that faults is not`() throws {
    let home = try GuardedDomain()
    let worker = try HandWorker(home)
    let before = reading(home)
    for _ in 0..<1000 { _ = worker.run() }
    #expect(samples(home, since: before) == [0, 0])
    for _ in 0..<40 {
      try home.tryCandidate()
      _ = worker.run(trigger: true)
      #expect(unsafe worker.worker.pointee.sampling == 0)
      if home.takeFault() == nil { Issue.record("no fault") }
    }
    #expect(samples(home, since: before) == [0, 0])
    try worker.end()
  }

  @Test func `turns are not in step with a host that serves two ports in turn`() throws {
    let home = try GuardedDomain()
    let worker = try HandWorker(home)
    try home.tryCandidate(placement: .batches(32_768))
    let versions = (0..<2000).map { _ in worker.run() }
    let even = stride(from: 0, to: 2000, by: 2).count { versions[$0] == 2 }
    #expect((400...600).contains(even), "\(even) of 1000 even batches were the candidate's")
    try worker.end()
  }
}
