import Bytes
import Digests
import Journal
import Platform
import Refusal
import TestSupport
import Testing
import Verification

/// The moments of these tests lie on a clock of their own; a death is what a copy of the directory from before
/// the orderly end leaves.
@Suite("What one run leaves for the next")
struct RunTests {
  let temporary: TemporaryDirectory
  let state: String
  let rule = BootLoopRule()

  init() throws {
    temporary = try TemporaryDirectory()
    state = temporary.path("state")
  }

  @Test func `of the first run nothing is known`() throws {
    #expect(try judge(at: 0) == LastRun(ending: .unknown))
  }

  @Test func `an orderly end says so and counts for nothing`() throws {
    try live(at: 10) { _ in }
    #expect(try judge(at: 11).ending == .closed)
    #expect(try judge(at: 11).deaths == 0)
  }

  @Test func `two early ends in a row give the set up, a late one or an orderly one begins anew`()
    throws
  {
    try confirm([1], at: 0)
    try die(at: 10)
    var last = try judge(at: 20)
    #expect(last.ending == .died && last.isEarly && last.deaths == 1 && !last.givesUp)
    try die(at: 20, deaths: last.deaths)
    last = try judge(at: 139)
    #expect(last.deaths == 2 && last.givesUp)
    #expect(try judge(at: 141) == LastRun(ending: .died, elapsed: 121 * second))
    try live(at: 30, deaths: 1) { _ in }
    #expect(try judge(at: 31).deaths == 0)
  }

  @Test func `without a window no end is early`() throws {
    try confirm([1], at: 0)
    try die(at: 10, deaths: 7)
    var never = rule
    never.window = 0
    let last = try Journal(at: state, now: 1).lastRun(at: moment(10), rule: never)
    #expect(!last.isEarly && !last.givesUp)
  }

  @Test func `a set with none before it is never given up`() throws {
    try die(at: 10, deaths: 7)
    let last = try judge(at: 11)
    #expect(last.deaths == 8 && !last.givesUp)
  }

  @Test func `an end on trial is the candidate's, and not the set's`() throws {
    try confirm([1], at: 0)
    try die(at: 10, deaths: 1) { try $0.beginTrial(trial(77)) }
    let last = try judge(at: 11)
    #expect(last.trial == trial(77) && last.deaths == 1 && !last.givesUp && !last.isEarly)
    try die(at: 12, deaths: 1) { journal in
      try journal.beginTrial(trial(78))
      try journal.endTrial(journal.trialCount)
    }
    #expect(try judge(at: 13).trial == nil)
  }

  /// An answer that comes late must not take back what was begun meanwhile.
  @Test func `the late end of one trial does not end the next`() throws {
    try die(at: 10) { journal in
      try journal.beginTrial(trial(1))
      let first = journal.trialCount
      try journal.beginTrial(trial(1))
      try journal.endTrial(first)
    }
    #expect(try judge(at: 11).trial == trial(1))
  }

  @Test func `a crash between the set and the record of the run is one early end of the new set`()
    throws
  {
    try confirm([1], at: 0)
    try die(at: 10, deaths: 1) { journal in
      try journal.beginTrial(trial(5))
      var set = journal.confirmed
      set.modules["qer"] = SHA256Digest(of: [2])
      try journal.store([2], digest: SHA256Digest(of: [2]))
      try journal.confirm(set)
    }
    let last = try judge(at: 11)
    #expect(last.trial == nil && last.isEarly && last.deaths == 1)
  }

  @Test func `after a restart of the machine the clock on the wall counts, unless it was set back`()
    throws
  {
    try confirm([1], at: 0)
    try die(at: 100)
    func after(boot: String, uptime: UInt64, wall: UInt64) throws -> LastRun {
      try Journal(at: state, now: 1).lastRun(
        at: Moment(boot: boot, uptime: uptime * second, wall: wall * second), rule: rule)
    }
    #expect(try after(boot: "one", uptime: 101, wall: 9_000_000).isEarly)
    #expect(try after(boot: "two", uptime: 5, wall: 1_000_130).isEarly)
    #expect(try !after(boot: "two", uptime: 101, wall: 1_000_300).isEarly)
    #expect(try after(boot: "two", uptime: 101, wall: 5).elapsed == nil)
  }

  @Test func `falling back takes the set before, and lets no older patch in`() throws {
    try confirm([1], at: 0)
    try confirm([2], at: 1)
    let journal = try Journal(at: state, now: 1)
    let before = journal.confirmed
    #expect(try journal.fallBack() == AbandonedSet(number: 2, patch: SHA256Digest(of: [2])))
    journal.close()
    let after = try Journal(at: state, now: 1)
    #expect(after.confirmed.modules == ["qer": SHA256Digest(of: [1])])
    #expect(after.confirmed.number == 3)
    #expect(after.confirmed.accepted == before.accepted)
    #expect(after.trusted.accepted == before.accepted)
    let again = #expect(throws: Refusal.self) { try after.fallBack() }
    #expect(again?.kind == .state)
  }

  @Test func `what a fall back would need is not collected, and without it there is none`() throws {
    try confirm([1], at: 0)
    try confirm([2], at: 1)
    let journal = try Journal(at: state, now: 1)
    try journal.store([3], digest: SHA256Digest(of: [3]))
    #expect(try journal.collect(keeping: []) == 1)
    #expect(try journal.objects() == [SHA256Digest(of: [1]), SHA256Digest(of: [2])])
    removeTree("\(state)/objects/sha256/\(SHA256Digest(of: [1]).hex)")
    let refusal = #expect(throws: Refusal.self) { try journal.fallBack() }
    #expect(refusal?.kind == .state)
    #expect(journal.confirmed.number == 2)
  }

  @Test func `a damaged record of the run stops nothing`() throws {
    try die(at: 10)
    let whole = try #require(contents(of: "\(state)/run"))
    for count in 0..<whole.count {
      try temporary.write("state/run", Array(whole.prefix(count)))
      #expect(try judge(at: 11) == LastRun(ending: .unknown))
    }
  }

  /// Written by an agent that did not write down whose trial it is.
  @Test func `a record of the first format is read, and names no patch`() throws {
    try die(at: 10)
    let fields: [CBOR: CBOR] = [
      .text("format"): .unsigned(1), .text("set"): .unsigned(0), .text("boot"): .text("one"),
      .text("uptime"): .unsigned(10 * second), .text("wall"): .unsigned(1_000_010 * second),
      .text("deaths"): .unsigned(1), .text("trial"): .unsigned(9), .text("over"): .bool(false),
    ]
    try temporary.write("state/run", CBOR.map(fields).encoded)
    let last = try judge(at: 11)
    #expect(last.trial == Trial(9, of: nil, []) && last.ending == .died && last.deaths == 1)
    // One format with the fields of the other is neither.
    for change in [[CBOR.text("format"): CBOR.unsigned(2)], [.text("modules"): .array([])]] {
      try temporary.write("state/run", CBOR.map(fields.merging(change) { $1 }).encoded)
      #expect(try judge(at: 11) == LastRun(ending: .unknown))
    }
  }

  @Test(arguments: [
    [CBOR.text("patch"): CBOR.null], [.text("patch"): .bytes([1])],
    [.text("modules"): .array([.unsigned(1)])], [.text("modules"): .null],
    [.text("modules"): .array([.text("qer"), .text("a\u{1b}[0m")])],
    [.text("format"): .unsigned(3)],
  ])
  func `a record whose trial is not whole says nothing`(change: [CBOR: CBOR]) throws {
    try die(at: 10) { try $0.beginTrial(trial(4)) }
    let whole = try #require(try CBOR(parsing: contents(of: "\(state)/run") ?? []).mapValue)
    #expect(try judge(at: 11).trial == trial(4))
    try temporary.write("state/run", CBOR.map(whole.merging(change) { $1 }).encoded)
    #expect(try judge(at: 11) == LastRun(ending: .unknown))
  }

  /// Written by an agent that kept no set to fall back to.
  @Test func `a confirmed set of the first format is read, and has nothing before it`() throws {
    try confirm([1], at: 0)
    let image = SHA256Digest(of: [1])
    // {"format": 1, "number": 4, "modules": {"qer": image}, "accepted": []}
    let old: [UInt8] =
      [0xa4, 0x66] + Array("format".utf8) + [0x01, 0x66] + Array("number".utf8) + [0x04, 0x67]
      + Array("modules".utf8) + [0xa1, 0x63] + Array("qer".utf8) + [0x58, 0x20] + image.bytes
      + [0x68] + Array("accepted".utf8) + [0x80]
    try temporary.write("state/confirmed", old)
    let journal = try Journal(at: state, now: 1)
    #expect(journal.confirmed.number == 4)
    #expect(journal.confirmed.modules == ["qer": image])
    #expect(journal.confirmed.fallback == nil)
  }

  private let second: UInt64 = 1_000_000_000

  private func trial(_ number: UInt64) -> Trial {
    Trial(number, of: SHA256Digest(of: [7]), ["qer", "classify"])
  }

  private func moment(_ seconds: UInt64) -> Moment {
    Moment(boot: "one", uptime: seconds * second, wall: (1_000_000 + seconds) * second)
  }

  private func judge(at seconds: UInt64) throws -> LastRun {
    try Journal(at: state, now: 1).lastRun(at: moment(seconds), rule: rule)
  }

  private func live(
    at seconds: UInt64, deaths: UInt64 = 0, _ body: (Journal) throws -> Void
  ) throws {
    let journal = try Journal(at: state, now: 1)
    try journal.beginRun(at: moment(seconds), deaths: deaths)
    try body(journal)
    journal.close()
  }

  private func die(
    at seconds: UInt64, deaths: UInt64 = 0, _ body: (Journal) throws -> Void = { _ in }
  ) throws {
    var record: [UInt8]?
    try live(at: seconds, deaths: deaths) { journal in
      try body(journal)
      record = contents(of: "\(state)/run")
    }
    try temporary.write("state/run", try #require(record))
  }

  private func confirm(_ image: [UInt8], at seconds: UInt64) throws {
    try live(at: seconds) { journal in
      let digest = SHA256Digest(of: image)
      try journal.store(image, digest: digest)
      var set = journal.confirmed
      set.modules["qer"] = digest
      set.patch = digest
      set.accepted[SequenceKey(product: "upf", module: "qer")] = AcceptedPatch(
        sequence: UInt64(image[0]), identity: digest)
      try journal.confirm(set)
      try journal.settleTrial(at: moment(seconds))
    }
  }
}
