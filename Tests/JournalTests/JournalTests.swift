import Bytes
import Digests
import Journal
import Refusal
import TestSupport
import Testing
import Verification

@Suite("State directory")
struct JournalTests {
  let temporary: TemporaryDirectory
  let state: String

  init() throws {
    temporary = try TemporaryDirectory()
    state = temporary.path("state")
  }

  @Test func `a new directory holds nothing and believes nothing`() throws {
    let journal = try Journal(at: state, now: 1)
    #expect(journal.confirmed == ConfirmedSet())
    #expect(journal.trusted == TrustedState())
  }

  @Test func `what was confirmed is there after a restart`() throws {
    let image: [UInt8] = [1, 2, 3]
    var set = try confirm(image, sequence: 7)
    let journal = try Journal(at: state, now: 1)
    (set.number, set.previous) = (1, [:])
    #expect(journal.confirmed == set)
    #expect(try journal.object(SHA256Digest(of: image)) == image)
    #expect(journal.trusted.accepted == set.accepted)
  }

  /// `confirmed` is replaced before `trust`: a crash between the two must not let an old patch back in.
  @Test func `a crash between the set and the trusted state is mended from the set`() throws {
    let set = try confirm([1], sequence: 9)
    #expect(removeFile("trust"))
    #expect(try Journal(at: state, now: 1).trusted.accepted == set.accepted)
  }

  @Test func `a set whose objects are not kept cannot be confirmed`() throws {
    let journal = try Journal(at: state, now: 1)
    let before = snapshot(of: state)
    var set = ConfirmedSet()
    set.modules["qer"] = SHA256Digest(of: [9])
    let error = #expect(throws: Refusal.self) { try journal.confirm(set) }
    #expect(error?.kind == .state)
    #expect(snapshot(of: state) == before)
  }

  @Test func `a damaged object is an integrity error and names itself`() throws {
    let image: [UInt8] = [1, 2, 3]
    try confirm(image, sequence: 1)
    let digest = SHA256Digest(of: image)
    let path = "state/objects/sha256/\(digest.hex)"
    removeTree(temporary.path(path))
    try temporary.write(path, [1, 2, 4])
    let journal = try Journal(at: state, now: 1)
    let error = #expect(throws: Refusal.self) { try journal.object(digest) }
    #expect(error?.kind == .integrity)
    #expect(error?.expected == digest.hex)
  }

  @Test(arguments: ["confirmed", "trust"])
  func `every prefix of a record is refused, and so is a flipped byte or a longer file`(
    name: String
  ) throws {
    try confirm([1, 2], sequence: 3)
    let whole = try #require(contents(of: "\(state)/\(name)"))
    for count in 0..<whole.count {
      try temporary.write("state/\(name)", Array(whole.prefix(count)))
      #expect(throws: Refusal.self) { try Journal(at: state, now: 1) }
    }
    try temporary.write("state/\(name)", whole + [0])
    #expect(throws: Refusal.self) { try Journal(at: state, now: 1) }
    try temporary.write("state/\(name)", whole)
    _ = try Journal(at: state, now: 1)
  }

  @Test func `a second agent on the same directory is busy`() throws {
    let first = try Journal(at: state, now: 1)
    let error = #expect(throws: Refusal.self) { try Journal(at: state, now: 1) }
    #expect(error?.kind == .busy)
    _ = first.path
  }

  /// A process that was just being started used to keep the lock, through its copy of the descriptor.
  @Test func `a closed directory is free at once, and nothing more is written to it`() throws {
    let first = try Journal(at: state, now: 1)
    first.close()
    let second = try Journal(at: state, now: 1)
    let before = snapshot(of: state)
    let error = #expect(throws: Refusal.self) {
      try first.record(AuditEntry("late", time: 2))
    }
    #expect(error?.kind == .state)
    #expect(throws: Refusal.self) { try first.believe(clock: 9) }
    #expect(throws: Refusal.self) { try first.confirm(ConfirmedSet()) }
    #expect(snapshot(of: state) == before)
    _ = second.path
  }

  @Test func `objects that nobody needs are collected, the confirmed ones never`() throws {
    try confirm([1], sequence: 1)
    let journal = try Journal(at: state, now: 1)
    for image: [UInt8] in [[2], [3]] {
      try journal.store(image, digest: SHA256Digest(of: image))
    }
    #expect(try journal.collect(keeping: [SHA256Digest(of: [2])]) == 1)
    #expect(try journal.object(SHA256Digest(of: [1])) == [1])
    #expect(try journal.object(SHA256Digest(of: [2])) == [2])
    #expect(try journal.object(SHA256Digest(of: [3])) == nil)
  }

  @Test func `the clock that is believed never goes back`() throws {
    let journal = try Journal(at: state, now: 1)
    try journal.believe(clock: 500)
    try journal.believe(clock: 400)
    #expect(journal.trusted.clockFloor == 500)
  }

  @Test func `a half-written file of a crash is removed`() throws {
    try confirm([1], sequence: 1)
    try temporary.write("state/objects/sha256/abc.tmp", [1])
    _ = try Journal(at: state, now: 1)
    #expect(!names(in: "\(state)/objects/sha256").contains("abc.tmp"))
  }

  @discardableResult
  private func confirm(_ image: [UInt8], sequence: UInt64) throws -> ConfirmedSet {
    let journal = try Journal(at: state, now: 1)
    let digest = SHA256Digest(of: image)
    try journal.store(image, digest: digest)
    var set = ConfirmedSet()
    set.modules["qer"] = digest
    set.accepted[SequenceKey(product: "upf", module: "qer")] = AcceptedPatch(
      sequence: sequence, identity: SHA256Digest(of: [UInt8(truncatingIfNeeded: sequence)]))
    try journal.confirm(set)
    return set
  }

  private func removeFile(_ name: String) -> Bool {
    let path = "\(state)/\(name)"
    let there = contents(of: path) != nil
    removeTree(path)
    return there
  }
}

@Suite("Audit log")
struct AuditLogTests {
  let temporary: TemporaryDirectory
  let state: String
  var log: String { "\(state)/audit.jsonl" }

  init() throws {
    temporary = try TemporaryDirectory()
    state = temporary.path("state")
  }

  @Test func `lines are chained over a restart`() throws {
    try record(["a", "b"])
    try record(["c"])
    let report = try AuditChain.verify(try #require(contents(of: log)), continued: false)
    #expect(report.lines == 3)
    #expect(report.ended)
  }

  @Test func `a torn last line is cut off, and the cut is recorded`() throws {
    try record(["a", "b"])
    let whole = try #require(contents(of: log))
    for torn in 1..<40 {
      try temporary.write("state/audit.jsonl", Array(whole.dropLast(torn)))
      _ = try Journal(at: state, now: 5)
      let mended = try #require(contents(of: log))
      let text = String(decoding: mended, as: UTF8.self)
      #expect(text.contains("repaired"), "torn by \(torn) bytes")
      #expect(try AuditChain.verify(mended, continued: false).lines == 2)
    }
  }

  @Test func `a line that is changed, dropped or swapped breaks the chain`() throws {
    try record(["a", "b", "c"])
    let lines = try #require(contents(of: log)).split(separator: UInt8(ascii: "\n")).map {
      Array($0)
    }
    var changed = lines
    changed[1] = changed[1].map { $0 == UInt8(ascii: "b") ? UInt8(ascii: "c") : $0 }
    for broken in [changed, [lines[0], lines[2]], [lines[1], lines[0], lines[2]], [lines[1]]] {
      let content = Array(broken.map { $0 + [UInt8(ascii: "\n")] }.joined())
      #expect(throws: Refusal.self) { try AuditChain.verify(content, continued: false) }
    }
  }

  @Test func `a journal walks its own chain, over a rotation too`() throws {
    let journal = try Journal(at: state, now: 1)
    let filler = String(repeating: "x", count: 60_000)
    for _ in 0..<300 {
      try journal.record(AuditEntry("filled", time: 2, [("filler", .string(filler))]))
    }
    #expect(contents(of: "\(state)/audit.1.jsonl") != nil)
    #expect(try journal.checkAudit().contains(" to 300,"))
  }

  /// The chain of what is left is whole: only who wrote it knows that something is missing.
  @Test func `a log whose end was cut off while it was open is found out`() throws {
    let journal = try Journal(at: state, now: 1)
    for kind in ["a", "b", "c"] { try journal.record(AuditEntry(kind, time: 2)) }
    #expect(try journal.checkAudit().hasPrefix("3 lines, 1 to 3,"))
    let whole = try #require(contents(of: log))
    let lines = whole.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
    let damaged: [[UInt8]] = [
      Array(lines[0] + [10] + lines[1] + [10]), [], Array(whole.dropLast()),
      Array(lines[1] + [10] + lines[2] + [10]), whole + lines[2] + [10],
    ]
    for content in damaged {
      try temporary.write("state/audit.jsonl", content)
      let error = #expect(throws: Refusal.self) { try journal.checkAudit() }
      #expect(error?.kind == .integrity)
    }
    try temporary.write("state/audit.jsonl", whole)
    #expect(throws: Never.self) { try journal.checkAudit() }
  }

  private func record(_ kinds: [String]) throws {
    let journal = try Journal(at: state, now: 1)
    for kind in kinds {
      try journal.record(AuditEntry(kind, time: 2, [("transaction", .unsigned(1))]))
    }
  }
}
