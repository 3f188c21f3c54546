import CAllocationCounter
import Testing
import UPF

@Suite("The packet path's memory")
struct AllocationTests {
  @Test func `the counter sees an allocation`() {
    guard allocation_counting() == 1 else { return }
    let before = allocation_count()
    let array = [UInt8](repeating: 1, count: Int.random(in: 100...200))
    #expect(allocation_count() > before)
    #expect(array.count >= 100)
  }

  @Test func `a hundred thousand packets allocate nothing`() throws {
    let path = try PathMeasurement(
      sessions: 1000, size: 128, classifySlot: 0, qerSlot: 1,
      registry: PuppetRegistry(
        classify: LoadedTable("classify", "1.0.0"), qer: LoadedTable("qer", "1.0.0")))
    _ = path.run(rounds: 10)
    let before = allocation_count()
    _ = path.run(rounds: 3200)
    #expect(allocation_count() == before)
    let account = path.account()
    #expect(account.isBalanced)
    #expect(account.forwarded.packets == 3210 * UInt64(PathMeasurement.batchSize))
  }
}
