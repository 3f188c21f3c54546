import Testing

@testable import GNB

@Suite("Sequence ledger")
struct SequenceLedgerTests {
  @Test func `numbers in order are unique and nothing else`() {
    var ledger = SequenceLedger()
    for number in 0..<10_000 as Range<UInt64> {
      let isNew = ledger.note(number: number, flow: 0)
      #expect(isNew)
    }
    #expect(ledger.unique == 10_000)
    #expect(ledger.duplicated == 0)
    #expect(ledger.reordered == 0)
  }

  @Test func `each arrival beyond the first is one duplicate`() {
    var ledger = SequenceLedger(numbers: 8, flows: 1)
    for number in [5, 5, 6, 5, 700, 6] as [UInt64] { _ = ledger.note(number: number, flow: 0) }
    #expect(ledger.unique == 3)
    #expect(ledger.duplicated == 3)
  }

  @Test func `order is kept for each flow by itself`() {
    var ledger = SequenceLedger()
    // Flow 1 is behind flow 0, which is no reordering; then 2 comes after 4 in flow 0.
    for (number, flow) in [(0, 0), (4, 0), (1, 1), (3, 1), (2, 0)] as [(UInt64, UInt32)] {
      _ = ledger.note(number: number, flow: flow)
    }
    #expect(ledger.reordered == 1)
    #expect(ledger.unique == 5)
  }

  @Test func `a flow number out of all bounds takes no memory for itself`() {
    var ledger = SequenceLedger()
    _ = ledger.note(number: 0, flow: .max)
    _ = ledger.note(number: 1, flow: .max - 1)
    #expect(ledger.unique == 2)
  }
}

@Suite("Latency histogram")
struct LatencyHistogramTests {
  @Test func `a quantile is at most a sixteenth above the true one`() {
    var histogram = LatencyHistogram()
    for value in 1...100_000 as ClosedRange<UInt64> { histogram.add(nanoseconds: value) }
    for (share, truth) in [(0.5, 50_000.0), (0.99, 99_000), (0.999, 99_900)] {
      let quantile = Double(histogram.quantile(share))
      #expect(quantile >= truth)
      #expect(quantile <= truth * 17 / 16)
    }
    #expect(histogram.quantile(1) == 100_000)
  }

  @Test(arguments: [0, 1, 15, 16, 17, 31, 32, 1 << 39, UInt64.max])
  func `one value is its own quantile, as far as buckets tell`(value: UInt64) {
    var histogram = LatencyHistogram()
    histogram.add(nanoseconds: value)
    #expect(histogram.longest == value)
    #expect(histogram.quantile(0.5) <= value)
    #expect(histogram.quantile(0.5) >= min(value, 1 << 40) / 17 * 16)
  }

  @Test func `an empty histogram has no quantile`() {
    #expect(LatencyHistogram().quantile(0.5) == 0)
  }
}
