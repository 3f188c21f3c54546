import CHitless
import HotSwap
import Testing

@Suite("Which batches a candidate gets", .serialized)
struct AdmissionTests {
  @Test(arguments: [(0, 0), (6554, 100), (32768, 500), (65535, 999), (65536, 1000)])
  func `a share of the batches is spread evenly`(share: Int, expected: Int) throws {
    let home = try GuardedDomain()
    let worker = try HandWorker(home)
    try home.tryCandidate(placement: .batches(UInt32(share)))
    let versions = (0..<1000).map { _ in worker.run() }
    #expect(abs(versions.count { $0 == 2 } - expected) <= 1)
    // Nowhere more than one more or less than the share of a stretch.
    for start in stride(from: 0, to: 1000, by: 50) {
      let count = versions[start..<start + 50].count { $0 == 2 }
      #expect(abs(count - 50 * share / 65536) <= 1)
    }
    try worker.end()
  }

  @Test func `a fault of one worker is the last batch that the candidate gets of any`() throws {
    let home = try GuardedDomain()
    let first = try HandWorker(home)
    let second = try HandWorker(home)
    try home.tryCandidate()
    #expect(first.run() == 2 && second.run() == 2)
    #expect(first.run(trigger: true) == 1)
    // No thread of an agent is there to have published anything.
    #expect(home.candidate.breaker.isOpen && second.run() == 1 && second.run(trigger: true) == 1)
    try home.tryCandidate()
    #expect(first.run() == 2 && second.run() == 2)
    try first.end()
    try second.end()
  }

  @Test func `a half-open breaker admits as many batches as it has tokens`() throws {
    let home = try GuardedDomain()
    let first = try HandWorker(home)
    let second = try HandWorker(home)
    try home.tryCandidate()
    home.candidate.breaker.halfOpen(batches: 5)
    let versions = (0..<10).flatMap { _ in [first.run(), second.run()] }
    #expect(versions == Array(repeating: 2, count: 5) + Array(repeating: 1, count: 15))
    #expect(home.candidate.breaker.successes == 5)
    home.candidate.breaker.halfOpen(batches: 3)
    #expect(first.run() == 2)
    #expect(first.run(trigger: true) == 1)
    #expect(home.candidate.breaker.isOpen && home.candidate.breaker.successes == 1)
    #expect(second.run() == 1)
    home.candidate.breaker.close()
    #expect(second.run() == 2)
    try first.end()
    try second.end()
  }
}
