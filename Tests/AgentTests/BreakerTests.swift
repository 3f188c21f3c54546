import Digests
import Journal
import Platform
import Testing

@testable import Agent

/// The breaker as a value: no clock, no thread, no file.
@Suite("Circuit breaker")
struct BreakerTests {
  private let rules: BreakerRules = {
    var rules = BreakerRules()
    rules.wait = 100
    rules.longestWait = 350
    rules.openings = 5
    return rules
  }()

  private func event(_ time: UInt64, _ source: BreakerSource = .fault) -> BreakerEvent {
    BreakerEvent(source, at: time)
  }

  @Test func `a breaker that has heard of nothing lets everything through`() {
    #expect(Breaker().admission(at: 0, rules) == .admitted)
  }

  @Test(arguments: BreakerSource.allCases)
  func `a failure of any kind opens it, for the time of the first wait`(source: BreakerSource) {
    var breaker = Breaker()
    let hasOpened = breaker.fail(event(1000, source), rules)
    #expect(hasOpened)
    #expect(breaker.state == .open(until: 1100))
    #expect(breaker.admission(at: 1000, rules) == .refused(left: 100))
    #expect(breaker.admission(at: 1099, rules) == .refused(left: 1))
    #expect(breaker.admission(at: 1100, rules) == .probing)
    #expect(breaker.events == [source: 1])
  }

  @Test func `workers that fail on the same code at once are one opening`() {
    var breaker = Breaker()
    let opened = (0..<4).map { breaker.fail(event(1000 + $0), rules) }
    #expect(opened == [true, false, false, false])
    #expect(breaker.openings == 1)
    #expect(breaker.events[.fault] == 4)
  }

  @Test func `after the wait a few batches get through, and enough of them close it`() {
    var breaker = Breaker()
    _ = breaker.fail(event(0), rules)
    breaker.probe()
    #expect(breaker.state == .halfOpen)
    #expect(breaker.admission(at: 1, rules) == .probing)
    breaker.close()
    #expect(breaker.state == .closed)
    #expect(breaker.admission(at: 1, rules) == .admitted)
    #expect(breaker.openings == 1, "only an operator takes openings back")
  }

  @Test func `any failure of a half-open breaker opens it again, for twice as long, within bounds`()
  {
    var breaker = Breaker()
    var waits: [UInt64] = []
    for round in 0..<4 {
      let now = UInt64(round) * 10_000
      _ = breaker.fail(event(now), rules)
      guard case .open(let until) = breaker.state else { continue }
      waits.append(until - now)
      breaker.probe()
    }
    #expect(waits == [100, 200, 350, 350])
    #expect(!breaker.isQuarantined)
  }

  @Test func `waits that no number can hold are the longest there is`() {
    var rules = rules
    rules.longestWait = .max
    #expect(rules.wait(after: 200) == .max)
    rules.openings = 0
    var breaker = Breaker(openings: 100, isQuarantined: false, openUntil: 0)
    _ = breaker.fail(event(5), rules)
    #expect(breaker.state == .open(until: .max))
  }

  @Test func `after the last opening the patch is in quarantine, however long one waits`() {
    var breaker = Breaker()
    for round in 0..<5 {
      #expect(!breaker.isQuarantined)
      let hasOpened = breaker.fail(event(UInt64(round) * 1000), rules)
      #expect(hasOpened)
    }
    #expect(breaker.isQuarantined)
    #expect(breaker.admission(at: .max, rules) == .quarantined)
  }

  @Test func `a trial that somebody ends early can be had again, and is no success`() {
    var breaker = Breaker()
    _ = breaker.fail(event(0), rules)
    breaker.probe()
    breaker.abandonProbe(at: 500)
    #expect(breaker.admission(at: 500, rules) == .probing)
    breaker.close()
    #expect(breaker.state == .open(until: 500), "nothing of it has been tried")
  }

  @Test func `a load that failed holds nothing back that has been loaded since`() {
    var breaker = Breaker()
    _ = breaker.fail(BreakerEvent(.load, at: 0, isOfLoading: true), rules)
    breaker.load(at: 10)
    #expect(breaker.admission(at: 10, rules) == .admitted)
    #expect(breaker.openings == 0)
    // What it did in traffic is not forgotten for it.
    _ = breaker.fail(event(20), rules)
    _ = breaker.fail(BreakerEvent(.hash, at: 500, isOfLoading: true), rules)
    breaker.load(at: 510)
    #expect(breaker.openings == 1)
    #expect(breaker.admission(at: 510, rules) == .probing)
    breaker.load(at: 520)
    #expect(breaker.openings == 1)
    for time in [10_000, 20_000, 30_000, 40_000] as [UInt64] {
      _ = breaker.fail(BreakerEvent(.lint, at: time, isOfLoading: true), rules)
    }
    breaker.load(at: 50_000)
    #expect(breaker.isQuarantined)
  }

  @Test func `a breaker that only counts never opens`() {
    var rules = rules
    rules.isMetricsOnly = true
    var breaker = Breaker()
    for time in 0..<10 {
      let hasOpened = breaker.fail(event(UInt64(time)), rules)
      #expect(!hasOpened)
    }
    #expect(breaker.events[.fault] == 10)
    #expect(breaker.admission(at: 10, rules) == .admitted)
  }

  /// Everything that can happen, in every order, to a depth of seven.
  @Test func `whatever happens in whatever order, a failure opens it and is not forgotten`() {
    var steps = 0
    func go(_ breaker: Breaker, _ now: UInt64, _ depth: Int) {
      guard depth > 0 else { return }
      for action in 0..<5 {
        var next = breaker
        var later = now
        switch action {
        case 0:
          let isOpen = if case .open(let until) = next.state { now < until } else { false }
          let hasOpened = next.fail(event(now), rules)
          #expect(hasOpened == !isOpen)
          #expect(next.openings == breaker.openings + (isOpen ? 0 : 1))
          guard case .open(let until) = next.state else {
            Issue.record("not open after a failure")
            return
          }
          #expect(until > now && until <= now + rules.longestWait)
        case 1: later += 100
        case 2:
          guard next.admission(at: now, rules) == .probing else { continue }
          next.probe()
        case 3:
          next.close()
          #expect(next.state == (breaker.state == .halfOpen ? .closed : breaker.state))
        default: next.abandonProbe(at: now)
        }
        #expect(next.openings >= breaker.openings)
        #expect(next.isQuarantined == (next.openings >= rules.openings))
        steps += 1
        go(next, later, depth - 1)
      }
    }
    go(Breaker(), 0, 6)
    #expect(steps > 1000)
  }
}

/// The breakers of many patches, and what is kept of them.
@Suite("Table of breakers")
struct BreakerTableTests {
  private var rules: BreakerRules {
    var rules = BreakerRules()
    (rules.wait, rules.longestWait, rules.openings) = (100, 1000, 3)
    return rules
  }

  /// The same for every module.
  private var ruling: (String) -> BreakerRules { { [rules] _ in rules } }

  private func patch(_ number: Int) -> SHA256Digest {
    SHA256Digest(of: [UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)])
  }

  @Test func `one open module keeps its patch out, and no other patch`() {
    var table = BreakerTable()
    let key = BreakerTable.Key(patch: patch(1), module: "beta")
    let hasOpened = table.fail(key, BreakerEvent(.fault, at: 0), rules)
    #expect(hasOpened)
    let found = table.admission(of: patch(1), ["alpha", "beta"], at: 40, ruling)
    #expect(found.admission == .refused(left: 60))
    #expect(found.module == "beta")
    #expect(
      table.admission(of: patch(2), ["alpha", "beta"], at: 40, ruling).admission == .admitted)
    let later = table.admission(of: patch(1), ["alpha", "beta"], at: 100, ruling)
    #expect(later.admission == .probing)
  }

  @Test func `of two waits the longer one counts`() {
    var table = BreakerTable()
    for (module, time) in [("alpha", UInt64(50)), ("beta", 0)] {
      _ = table.fail(
        BreakerTable.Key(patch: patch(1), module: module), BreakerEvent(.fault, at: time), rules)
    }
    let found = table.admission(of: patch(1), ["beta", "alpha"], at: 60, ruling)
    #expect(found.admission == .refused(left: 90))
    #expect(found.module == "alpha")
  }

  @Test func `what was kept is the same in the next life, less the time between`() throws {
    var table = BreakerTable()
    let key = BreakerTable.Key(patch: patch(1), module: "alpha")
    for _ in 0..<3 {
      _ = table.fail(key, BreakerEvent(.hash, at: 1000), rules)
      table.probe(patch(1))
    }
    _ = table.fail(
      BreakerTable.Key(patch: patch(2), module: "beta"), BreakerEvent(.fault, at: 1000), rules)
    let record = BreakerRecord(
      at: Moment(boot: "b", uptime: 5, wall: 6),
      frozen: BreakerRecord.Hold(time: 7, user: 1000, reason: "look"),
      stopped: BreakerRecord.Hold(time: 8, user: nil, reason: "loads"),
      entries: table.entries(at: 1010))
    let read = try BreakerRecord(parsing: record.encoded)
    #expect(read == record)
    let next = BreakerTable(read.entries, elapsed: 30, at: 500_000)
    #expect(next.quarantined == [patch(1)])
    #expect(
      next.admission(of: patch(2), ["beta"], at: 500_000, ruling).admission == .refused(left: 60))
    for count in record.encoded.indices {
      #expect(throws: (any Error).self) {
        try BreakerRecord(parsing: Array(record.encoded.prefix(count)))
      }
    }
  }

  @Test func `of too many the oldest is forgotten, and what is in quarantine last`() {
    var table = BreakerTable()
    let first = BreakerTable.Key(patch: patch(0), module: "alpha")
    for _ in 0..<3 {
      _ = table.fail(first, BreakerEvent(.fault, at: 0), rules)
      table.probe(patch(0))
    }
    for number in 1...BreakerRecord.entryLimit {
      let key = BreakerTable.Key(patch: patch(number), module: "alpha")
      _ = table.fail(key, BreakerEvent(.fault, at: 0), rules)
    }
    #expect(table.all.count == BreakerRecord.entryLimit)
    #expect(table.isQuarantined(patch(0)))
    #expect(table.admission(of: patch(1), ["alpha"], at: 0, ruling).admission == .admitted)
  }

  @Test func `an operator's word clears a patch altogether`() {
    var table = BreakerTable()
    for module in ["alpha", "beta"] {
      for _ in 0..<3 {
        let key = BreakerTable.Key(patch: patch(1), module: module)
        _ = table.fail(key, BreakerEvent(.fault, at: 0), rules)
        table.probe(patch(1))
      }
    }
    table.clear(patch(1))
    #expect(table.all.isEmpty)
    #expect(
      table.admission(of: patch(1), ["alpha", "beta"], at: 0, ruling).admission == .admitted)
  }
}

/// When loads that fail stop the agent.
@Suite("Load history")
struct LoadHistoryTests {
  @Test func `three failures in a row are too many, and a success in between begins again`() {
    var history = LoadHistory()
    let results = [true, true, false, true, true, true].map {
      history.add(isFailure: $0, LoadRules()) != nil
    }
    #expect(results == [false, false, false, false, false, true])
  }

  @Test func `more than one in twenty is too many, from twenty loads on`() {
    var history = LoadHistory()
    for number in 1...19 {
      let reason = history.add(isFailure: number % 7 == 0, LoadRules())
      #expect(reason == nil, "load \(number)")
    }
    let reason = history.add(isFailure: true, LoadRules())
    #expect(reason == "3 of 20 loads have failed")
    var seldom = LoadHistory()
    for number in 1...40 {
      let reason = seldom.add(isFailure: number % 20 == 0, LoadRules())
      #expect(reason == nil, "load \(number)")
    }
  }

  @Test func `limits of zero and of a hundred percent stop nothing`() {
    var rules = LoadRules()
    (rules.failuresInARow, rules.failurePercent) = (0, 100)
    var history = LoadHistory()
    for _ in 0..<100 {
      let reason = history.add(isFailure: true, rules)
      #expect(reason == nil)
    }
  }
}
