import DeltaModel
import Testing

@Suite("Recent distances")
struct RecentDistancesTests {
  private static func used(_ distances: [Int]) -> RecentDistances {
    distances.reduce(into: RecentDistances()) { $0.use($1) }
  }

  @Test func `the last four are known, the last one first`() {
    let recent = Self.used([5, 6, 7, 8, 9])
    #expect([9, 8, 7, 6].map(recent.index) == [0, 1, 2, 3])
    #expect(recent.index(of: 5) == nil)
  }

  @Test func `one that is used again goes to the front, and none is forgotten for it`() {
    let recent = Self.used([5, 6, 7, 8, 6])
    #expect([6, 8, 7, 5].map(recent.index) == [0, 1, 2, 3])
    #expect(Self.used([5, 6, 6, 6]).index(of: 5) == 1)
  }

  @Test func `at first there is none`() {
    #expect((1...5).allSatisfy { RecentDistances().index(of: $0) == nil })
    #expect(Self.used([5]).index(of: 6) == nil)
  }
}
