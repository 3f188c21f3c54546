import Testing
@testable import UPF

@Suite("Account")
struct AccountTests {
  /// A probe: the check can fail.
  @Test func `a packet that is received and never given a fate shows as missing`() {
    var statistics = WorkerStatistics.zero
    #expect(Account(statistics).isBalanced)
    statistics.receivedN3 = Traffic(packets: 1, bytes: 100)
    #expect(!Account(statistics).isBalanced)
    #expect(Account(statistics).missing == 1)
    statistics.fates[Int(PacketFate.forwardedToCore.rawValue)] = Traffic(packets: 1, bytes: 100)
    // It has a fate now, and is said to have been sent, which nobody did.
    #expect(!Account(statistics).isBalanced)
    statistics.sentN6 = Traffic(packets: 1, bytes: 84)
    #expect(Account(statistics).isBalanced)
  }

  @Test func `a wrong number of bytes is found, too`() {
    var statistics = WorkerStatistics.zero
    statistics.receivedN6 = Traffic(packets: 1, bytes: 100)
    statistics.fates[Int(PacketFate.unknownUE.rawValue)] = Traffic(packets: 1, bytes: 99)
    #expect(!Account(statistics).isBalanced)
    #expect(Account(statistics).missing == 0)
  }

  @Test(arguments: [0, 1, 15, 16, 17, 31, 32, 1000, 65_535, 1 << 40, UInt64.max])
  func `a time falls into the bucket whose bounds hold it`(value: UInt64) {
    let bucket = LatencyHistogram.bucket(of: value)
    #expect(bucket < LatencyHistogram.bucketCount)
    #expect(LatencyHistogram.lowerBound(of: bucket) <= value)
    if bucket + 1 < LatencyHistogram.bucketCount {
      #expect(LatencyHistogram.lowerBound(of: bucket + 1) > value)
    }
  }

  @Test func `percentiles come from the counts`() {
    var counts = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount)
    #expect(LatencyHistogram.percentile(0.5, of: counts) == 0)
    counts[LatencyHistogram.bucket(of: 10)] = 90
    counts[LatencyHistogram.bucket(of: 1000)] = 10
    #expect(LatencyHistogram.percentile(0.5, of: counts) == 10)
    #expect(LatencyHistogram.percentile(0.9, of: counts) == 10)
    #expect(LatencyHistogram.percentile(0.91, of: counts) == 992)
  }
}
