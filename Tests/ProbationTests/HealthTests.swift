import Probation
import Testing

@Suite("Health of a candidate")
struct HealthTests {
  @Test func `two sides that do the same are healthy`() {
    #expect(input().verdict() == .healthy)
  }

  @Test func `more errors are unhealthy, fewer are not`() {
    #expect(isUnhealthy(input(Side(), Side(errors: 900)).verdict(), "failed"))
    #expect(input(Side(errors: 900), Side(errors: 0)).verdict() == .healthy)
    // A drop in ten thousand need not matter; an error where there was none does.
    let many = (
      Side(packets: 100_000_000, drops: 0, errors: 0),
      Side(packets: 100_000_000, drops: 0, errors: 10_000)
    )
    #expect(isUnhealthy(input(many.0, many.1).verdict(), "failed"))
    let chance = (Side(errors: 0), Side(errors: 1))
    #expect(input(chance.0, chance.1).verdict() == .healthy)
  }

  @Test func `more drops are unhealthy, and far fewer are as suspicious`() {
    #expect(isUnhealthy(input(Side(), Side(drops: 2000)).verdict(), "dropped"))
    #expect(isUnhealthy(input(Side(drops: 2000), Side(drops: 0)).verdict(), "dropped"))
    let asErrors = (Side(drops: 2000, kind: .errors), Side(drops: 0, kind: .errors))
    #expect(input(asErrors.0, asErrors.1).verdict() == .healthy)
  }

  @Test func `a difference that chance explains, or that does not matter, is none`() {
    // 12 in 1000 against 10 in 1000: a fifth more, and less than a standard error.
    let few = input(
      Side(packets: 1000, drops: 10, errors: 0), Side(packets: 1000, drops: 14, errors: 0))
    #expect(few.verdict() == .healthy)
    // Certain, and a twentieth more.
    let many = input(
      Side(packets: 100_000_000, drops: 10_000_000, errors: 0),
      Side(packets: 100_000_000, drops: 10_500_000, errors: 0))
    #expect(many.verdict() == .healthy)
    // Certain, twice as much, and far below what matters.
    let rare = input(
      Side(packets: 1_000_000_000, drops: 10_000, errors: 0),
      Side(packets: 1_000_000_000, drops: 20_000, errors: 0))
    #expect(rare.verdict() == .healthy)
  }

  @Test func `a slower candidate is unhealthy, a faster one is not`() {
    #expect(isUnhealthy(input(Side(), Side(median: 3000)).verdict(), "batch"))
    #expect(input(Side(), Side(median: 1000)).verdict() == .healthy)
    #expect(input(Side(), Side(median: 2200)).verdict() == .healthy)
  }

  @Test func `a tiny batch that takes twice as long does not flap`() {
    #expect(input(Side(median: 100), Side(median: 200)).verdict() == .healthy)
    var strict = input(Side(median: 100), Side(median: 200))
    strict.thresholds.timeFloorNanoseconds = 10
    #expect(isUnhealthy(strict.verdict(), "batch"))
  }

  @Test func `a candidate that is rare may be as much slower as cold caches make it`() {
    var look = input(Side(median: 1000), Side(median: 1600))
    #expect(isUnhealthy(look.verdict(), "batch"))
    look.isCold = true
    #expect(look.verdict() == .healthy)
    look.candidate = Side(median: 5000).figures
    #expect(isUnhealthy(look.verdict(), "batch"))
  }

  @Test func `the floor counts nanoseconds, whatever the cycle counter counts`() {
    // 3000 against 2000 ticks, of a tenth of a nanosecond each.
    var fast = input(Side(), Side(median: 3000))
    fast.ticks = 10_000_000
    #expect(fast.verdict() == .healthy)
    fast.thresholds.timeFloorNanoseconds = 20
    #expect(isUnhealthy(fast.verdict(), "batch"))
  }

  @Test(arguments: [
    (Side(packets: 999), Side()), (Side(), Side(packets: 999)), (Side(samples: 199), Side()),
    (Side(), Side(samples: 199)), (Side(packets: 0), Side()), (Side(), Side(packets: 0)),
    (Side(samples: 0), Side()), (Side(), Side(samples: 0)), (Side(packets: nil), Side()),
    (Side(), Side(packets: nil)), (Side(packets: 0, samples: 0), Side(packets: 0, samples: 0)),
  ])
  func `too little on either side is inconclusive`(stable: Side, candidate: Side) {
    let verdict = input(stable, candidate).verdict()
    #expect(isInconclusive(verdict), "\(verdict)")
  }

  @Test func `just enough on both sides is a success`() {
    let least = Side(packets: 1000, drops: 10, errors: 1, samples: 200)
    #expect(input(least, least).verdict() == .healthy)
  }

  @Test func `nothing at all is inconclusive`() {
    #expect(isInconclusive(HealthInput().verdict()))
  }

  @Test func `what is wrong counts before what is missing`() {
    let verdict = input(Side(samples: 0), Side(drops: 50_000, samples: 0)).verdict()
    #expect(isUnhealthy(verdict, "dropped"))
  }

  @Test func `more events than packets are no rate`() {
    let verdict = input(Side(), Side(packets: 2000, drops: 3000, errors: 2)).verdict()
    #expect(isInconclusive(verdict), "\(verdict)")
  }

  @Test func `a cycle counter that stands still is no clock`() {
    var stopped = input()
    stopped.ticks = 0
    #expect(isInconclusive(stopped.verdict()))
    stopped.ticks = 1
    stopped.tickNanoseconds = 0
    #expect(isInconclusive(stopped.verdict()))
  }

  @Test func `the largest numbers there are end in a verdict`() {
    var huge = input()
    huge.stable.packets = .max
    huge.candidate.packets = .max
    huge.stable.counts = [SignalCount("dropped", .drops, .max)]
    huge.candidate.counts = [SignalCount("dropped", .drops, 0)]
    huge.elapsed = .max
    #expect(isUnhealthy(huge.verdict(), "dropped"))
    var histogram = LogHistogram()
    histogram.add(.max, toBucket: 655)
    histogram.add(.max, toBucket: 0)
    huge.candidate.samples = [SampledValues("batch", .batch, histogram)]
    huge.ticks = .max
    huge.tickNanoseconds = 1
    _ = huge.verdict()
    huge.ticks = 1
    huge.tickNanoseconds = .max
    _ = huge.verdict()
  }

  @Test func `thresholds that make no sense decide nothing`() {
    for field in HealthThresholds.fields {
      var broken = input()
      broken.thresholds[keyPath: field.path] = .max
      #expect(isInconclusive(broken.verdict()), "\(field.name)")
    }
  }

  @Test func `an early look needs more than a late one`() {
    // 7 standard errors apart: enough at the end, not after a twentieth of the time.
    var look = input(Side(errors: 0), Side(drops: 1350, errors: 0))
    #expect(isUnhealthy(look.verdict(), "dropped"))
    look.elapsed = 1
    look.dwell = 100
    #expect(look.verdict() == .healthy)
    look.candidate = Side(drops: 5000, errors: 0).figures
    #expect(isUnhealthy(look.verdict(), "dropped"))
  }

  @Test func `a step of nothing asks for stable's figures only`() {
    var observed = input(Side(), Side(packets: 0, drops: 0, errors: 0, samples: 0))
    observed.isObservation = true
    #expect(observed.verdict() == .healthy)
    observed.stable = Side(samples: 10).figures
    #expect(isInconclusive(observed.verdict()))
  }

  @Test func `a gauge that rises is unhealthy`() {
    func queue(_ depth: UInt64) -> HealthFigures {
      var figures = Side().figures
      var histogram = LogHistogram()
      histogram.add(500, toBucket: LogHistogram.bucket(of: depth))
      figures.samples.append(SampledValues("queue", .gauge, histogram))
      return figures
    }
    var look = input()
    look.stable = queue(10)
    look.candidate = queue(10)
    #expect(look.verdict() == .healthy)
    look.candidate = queue(40)
    #expect(isUnhealthy(look.verdict(), "queue"))
    look.stable = queue(1)
    look.candidate = queue(4)
    #expect(look.verdict() == .healthy, "three more than one is below what matters")
  }
}

@Suite("Histogram of times")
struct LogHistogramTests {
  @Test func `every value lies in the bucket that begins at or below it`() {
    var value: UInt64 = 1
    while value < 1 << 44 {
      for near in [value - 1, value, value + 1, value + value / 3] {
        let bucket = LogHistogram.bucket(of: near)
        let low = LogHistogram.lowest(of: bucket)
        #expect(low <= near && (near < 32 || near - low <= low / 16), "\(near)")
        #expect(LogHistogram.bucket(of: low) == bucket)
      }
      value *= 2
    }
    #expect(LogHistogram.bucket(of: .max) == LogHistogram.bucketCount - 1)
    #expect(LogHistogram.bucket(of: 0) == 0)
  }

  @Test func `quantiles are those of the values`() {
    var histogram = LogHistogram()
    #expect(histogram.quantile(0.5) == nil)
    for value in UInt64(1)...1000 { histogram.add(1, toBucket: LogHistogram.bucket(of: value)) }
    for (share, exact) in [(0.5, 500.0), (0.95, 950), (0.99, 990), (0, 1), (1, 1000)] {
      let found = Double(histogram.quantile(share) ?? 0)
      #expect(found <= exact && found >= exact * 15 / 16, "\(share): \(found)")
    }
    histogram.add(5, toBucket: -1)
    histogram.add(5, toBucket: 656)
    #expect(histogram.total == 1000)
  }
}
