import CHitless
import CUPF
import Foundation
import TestSupport
import Testing

/// Every source patch has its test here: it fails on the version before and passes on the patch's own.
@Suite("Source patches")
struct SourcePatchTests {
  @Test(arguments: [("1.0.0", true), ("1.0.1", false), ("1.0.2", false)])
  func `0001: a closed downlink gate let packets through`(version: String, hasBug: Bool) throws {
    var bench = try QERBench(
      version, [.gates(uplink: UPF_GATE_OPEN, downlink: UPF_GATE_CLOSED)])
    let verdicts = bench.run([QERBench.Packet(direction: UPF_DOWNLINK)], now: 1)
    #expect((verdicts[0].drop == 0) == hasBug)
  }

  @Test(arguments: [("1.0.0", true), ("1.0.1", true), ("1.0.2", false)])
  func `0002: a bucket held an eighth of its burst`(version: String, hasBug: Bool) throws {
    var bench = try QERBench(version, [.rule(mbr: 8000, burst: 16_000)])
    let packets = [QERBench.Packet](repeating: QERBench.Packet(length: 1000), count: 32)
    let passed = bench.run(packets, now: 1).count { $0.drop == 0 }
    #expect(passed == (hasBug ? 2 : 16))
  }

  @Test(arguments: [("1.0.0", true), ("1.0.1", false)])
  func `0003: a default rule hid the specific one`(version: String, hasBug: Bool) throws {
    var bench = try ClassifyBench(version)
    bench.add(teid: 5, [.rule(precedence: 255, session: 1), .rule(precedence: 32, session: 2)])
    bench.add(teid: 6, [.rule(precedence: 32, session: 2), .rule(precedence: 255, session: 1)])
    let verdicts = bench.run([.uplink(teid: 5), .uplink(teid: 6)])
    #expect(verdicts.map(\.session) == (hasBug ? [1, 1] : [2, 2]))
  }

  /// The new layout has a bucket's counters; tokens and time are the same in both.
  @Test func `0004: a bucket counts, and moves to the new layout and back`() throws {
    let module = try LoadedModule("qer", "1.1.0")
    var old = upf_bucket(tokens: 1_000_000 * 8_000_000_000, time: 5)
    var new = upf_bucket_2()
    let forward = unsafe module.module.migrate?(
      &old, UPF_SCHEMA_BUCKET, &new, UPF_SCHEMA_BUCKET_2)
    #expect(forward == 0)
    #expect(new.tokens == old.tokens && new.time == 5 && new.passed == 0 && new.stopped == 0)
    new.tokens -= 7
    let back = unsafe module.module.migrate?(&new, UPF_SCHEMA_BUCKET_2, &old, UPF_SCHEMA_BUCKET)
    #expect(back == 0)
    #expect(old.tokens == new.tokens && old.time == 5)
    let unknown = unsafe module.module.migrate?(&new, UPF_SCHEMA_BUCKET_2, &old, 7)
    #expect(unknown == 1)
    let before = try LoadedModule("qer", "1.0.2")
    let hasNone = unsafe before.module.migrate == nil
    #expect(hasNone)
  }

  @Test func `every patch says what it is for, and there are three at least`() throws {
    let folder = "\(TestModule.root)/patches"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    let patches = names.filter { $0.hasSuffix(".patch") }
    #expect(patches.count >= 3)
    for name in patches {
      let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
      let message = text.components(separatedBy: "\n---\n")[0]
      #expect(text.hasPrefix("From "), "\(name): a mailbox line")
      #expect(message.contains("\nSubject: [PATCH]"), "\(name)")
      for field in ["Module", "Base-Version", "New-Version", "Resolves", "Upgrade-Class"] {
        #expect(message.contains("\n\(field): "), "\(name): \(field)")
      }
    }
  }

  @Test func `git takes the patches as they are, in the order of their numbers`() throws {
    let directory = try TemporaryDirectory()
    let root = TestModule.root
    let copied = try run("/bin/cp", ["-R", "\(root)/Sources", directory.path("Sources")])
    try #require(copied.status == 0)
    func git(_ arguments: String...) throws -> ProgramRun {
      try run(
        "/usr/bin/git",
        ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"] + arguments,
        in: directory.url)
    }
    try #require(try git("init", "-q").status == 0)
    try #require(try git("add", "Sources/Modules").status == 0)
    try #require(try git("commit", "-q", "-m", "base").status == 0)
    let patches = try FileManager.default.contentsOfDirectory(atPath: "\(root)/patches").sorted()
      .filter { $0.hasSuffix(".patch") }
    for patch in patches {
      let applied = try git("am", "-q", "\(root)/patches/\(patch)")
      #expect(applied.status == 0, "\(applied.errors)")
    }
  }
}
