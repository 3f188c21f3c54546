import Testing

@testable import DeltaModel

@Suite("Bit histories")
struct BitHistoryTests {
  private let histories = BitHistory.shared

  @Test func `nothing seen is followed by one bit seen`() {
    #expect(histories.total[0] == 0)
    for bit in 0...1 { #expect(histories.total[Int(histories.next[bit])] == 1) }
    #expect(histories.next[0] != histories.next[1])
  }

  /// A history that is followed by nothing seen would be one that the table does not know.
  @Test func `no history is followed by none`() {
    var known: Set<UInt8> = [0]
    var waiting: [UInt8] = [0]
    while let history = waiting.popLast() {
      for bit in 0...1 {
        let next = histories.next[Int(history) << 1 | bit]
        #expect(next != 0, "\(history), \(bit)")
        if known.insert(next).inserted { waiting.append(next) }
      }
    }
    #expect(known.count > 150)
  }

  @Test func `the same bit again and again makes it likelier`() {
    var history = 0
    var before = histories.start[0] >> 10
    for _ in 0..<30 {
      history = Int(histories.next[history << 1 | 1])
      let probability = histories.start[history] >> 10
      #expect(probability > before)
      before = probability
    }
    #expect(Int(histories.next[history << 1 | 1]) == history)
  }

  @Test func `what comes makes most of what spoke against it forgotten`() {
    var history = 0
    for _ in 0..<30 { history = Int(histories.next[history << 1]) }
    #expect(histories.total[history] == 30)
    #expect(histories.total[Int(histories.next[history << 1 | 1])] == 6)
  }
}
