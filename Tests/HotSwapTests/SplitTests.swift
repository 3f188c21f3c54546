import CHitless
import Testing

@Suite("Batches split by flow")
struct SplitTests {
  private struct Part: Equatable {
    var isCandidate: Bool
    var isTimed: Bool
    var flows: [UInt32]
  }

  /// Splits packets of these flows.
  private func split(_ flows: [UInt32], share: UInt32, isMeasured: Bool) -> [Part] {
    var generations = unsafe [hitless_generation(), hitless_generation()]
    return unsafe generations.withUnsafeMutableBufferPointer { generations in
      guard let first = generations.baseAddress else { return [] }
      var view = unsafe hitless_view()
      unsafe view.stable = UnsafePointer(first)
      unsafe view.candidate = UnsafePointer(first + 1)
      unsafe view.share = share
      var worker = unsafe hitless_worker()
      unsafe worker.sampling = isMeasured ? 1 : 0
      var order = [UInt16](repeating: .max, count: flows.count)
      var parts = unsafe [hitless_part](repeating: hitless_part(), count: Int(HITLESS_PARTS))
      let count = unsafe hitless_split(&worker, &view, flows, UInt32(flows.count), &order, &parts)
      return (0..<Int(count)).map { index in
        let part = unsafe parts[index]
        let places = unsafe order[Int(part.first)..<Int(part.first + part.count)]
        return unsafe Part(
          isCandidate: part.generation == UnsafePointer(first + 1), isTimed: part.is_timed != 0,
          flows: places.map { flows[Int($0)] })
      }
    }
  }

  private let flows = (0..<256).map { UInt32($0) &* 2_654_435_761 }

  @Test(arguments: [0, 1, 655, 20_000, 32_767, 32_768, 32_769, 50_000, 65_535, 65_536])
  func `whoever serves a flow is decided by its share alone, measured or not`(share: UInt32) {
    for isMeasured in [false, true] {
      let parts = split(flows, share: share, isMeasured: isMeasured)
      #expect(parts.flatMap(\.flows).sorted() == flows.sorted())
      for part in parts {
        #expect(part.flows.allSatisfy { ($0 & 0xffff < share) == part.isCandidate })
      }
    }
  }

  @Test(arguments: [6554, 20_000, 32_768, 50_000, 60_000])
  func `a batch that is measured compares parts of one size`(share: UInt32) {
    let many = (0..<65_536).map { UInt32($0) }
    let parts = split(many, share: share, isMeasured: true).filter(\.isTimed)
    #expect(parts.count == 2 && Set(parts.map(\.isCandidate)).count == 2)
    #expect(Set(parts.map(\.flows.count)) == [Int(min(share, 65_536 - share))])
  }

  @Test func `packets of a part stay in the order in which they came`() {
    let numbered = (UInt32(0)..<60).map { (number: UInt32) -> UInt32 in
      let flow = number * 7919 % 61 * 1000
      return number << 16 | flow
    }
    for part in split(numbered, share: 30_000, isMeasured: true) {
      #expect(part.flows == part.flows.sorted())
    }
  }
}
