import Foundation
import TestSupport
import Testing

@Suite("hitless diff")
struct DiffTests {
  let patch: PatchBench
  var bench: Workbench { patch.bench }

  init() throws { patch = try PatchBench() }

  @Test func `it makes a patch, says what changed, and leaves nothing else`() throws {
    let outcome = try patch.makePatch()
    #expect(outcome.errors == "")
    #expect(outcome.output.contains("sample 1.0.0 → 1.0.1: class hot\n"))
    #expect(outcome.output.contains("changed: functions marked as patchable\n"))
    #expect(!outcome.output.contains("outside"))
    #expect(
      try patch.directory.names == ["new.so", "old.so", "sample.hlp", "vendor.key", "vendor.pub"])
  }

  @Test func `the same inputs and the same key give the same bytes`() throws {
    try patch.makePatch()
    let first = try patch.directory.bytes("sample.hlp")
    try patch.makePatch()
    #expect(try patch.directory.bytes("sample.hlp") == first)
  }

  @Test func `everything that was asked for is in the manifest`() throws {
    let outcome = try patch.makePatch(
      "--product", "upf", "--release", "2027.1", "--sequence", "7", "--not-before", "2027-01-01",
      "--not-after", "2028-01-31T12:00:00Z", "--needs", String(repeating: "ab", count: 20),
      "--resolves", "CVE-2027-1", "UPF-7", "--json")
    let object = try bench.object(outcome)
    #expect(object["output"] as? String == "sample.hlp")
    #expect(object["size"] as? Int == (try patch.directory.bytes("sample.hlp").count))
    let manifest = try #require(object["manifest"] as? [String: Any])
    #expect(manifest["product"] as? String == "upf")
    #expect(manifest["release"] as? String == "2027.1")
    #expect(manifest["sequence"] as? Int == 7)
    #expect(manifest["notBefore"] as? Int == 1_798_761_600)
    #expect(manifest["notAfter"] as? Int == 1_832_932_800)
    #expect(manifest["resolves"] as? [String] == ["CVE-2027-1", "UPF-7"])
    #expect(manifest["prerequisites"] as? [String] == [String(repeating: "ab", count: 20)])
    let inspected = try bench.object(try bench.succeed("inspect", "sample.hlp", "--json"))
    #expect(inspected["manifest"] as? NSDictionary == manifest as NSDictionary)
    #expect(inspected["identity"] as? String == object["identity"] as? String)
    #expect(inspected["verified"] as? Bool == false)
  }

  @Test func `diff and inspect name the mode of the delta`() throws {
    let made = try patch.makePatch().output
    #expect(made.contains(" bytes (delta)\n"))
    #expect(try bench.succeed("inspect", "sample.hlp").output.contains("codec 1 (delta), "))
    let inspected = try bench.object(try bench.succeed("inspect", "sample.hlp", "--json"))
    let manifest = try #require(inspected["manifest"] as? [String: Any])
    let components = try #require(manifest["components"] as? [[String: Any]])
    let delta = try #require(components.first?["delta"] as? [String: Any])
    #expect(delta["mode"] as? String == "delta")
  }

  /// date(1) is the judge.
  @Test(arguments: [
    "1970-01-01", "2000-02-29", "2028-02-29", "2027-12-31T23:59:59Z", "2100-03-01", "9999-12-31",
  ])
  func `dates mean what they mean elsewhere`(text: String) throws {
    let judged = try run("/bin/date", ["-u", "-d", text, "+%s %Y-%m-%dT%H:%M:%SZ"])
    let parts = judged.output.split(whereSeparator: \.isWhitespace).map(String.init)
    try #require(parts.count == 2, "\(judged.errors)")
    try patch.makePatch("--not-after", text)
    let inspected = try bench.object(try bench.succeed("inspect", "sample.hlp", "--json"))
    let manifest = try #require(inspected["manifest"] as? [String: Any])
    #expect(manifest["notAfter"] as? Int == Int(parts[0]))
    let lines = try bench.succeed("inspect", "sample.hlp").output
    #expect(lines.contains("not after    \(parts[1])\n"))
  }

  /// script(1) gives the program a terminal.
  @Test func `progress is shown on a terminal, and only there`() throws {
    let tool = try BuiltProduct.path("hitless")
    let command = "\(tool) diff old.so new.so -o sample.hlp --key vendor.key"
    let shown = try run(
      "/usr/bin/script", ["-qec", command, "/dev/null"], in: patch.directory.url)
    #expect(shown.status == 0)
    #expect(shown.output.contains("encoding sample: "))
    #expect(try patch.makePatch().errors == "")
  }

  @Test func `release and sequence come from the version when they are not given`() throws {
    let manifest = try #require(
      try bench.object(try patch.makePatch("--json"))["manifest"] as? [String: Any])
    #expect(manifest["release"] as? String == "1.0.1")
    #expect(manifest["sequence"] as? Int == 1_000_001)
  }

  @Test func `a change outside the marked functions is called out`() throws {
    var next = TestModule()
    next.version = (1, 0, 1)
    next.unmarkedConstant = 9
    try next.build("new.so", in: patch.directory)
    let outcome = try patch.makePatch()
    #expect(outcome.output.contains("changed outside what is marked: .text"))
    #expect(!outcome.output.contains("marked as patchable"))
  }

  @Test func `a change of a record layout or of the interface asks for a restart`() throws {
    var next = TestModule()
    next.version = (1, 1, 0)
    next.states = [(0x51, 72)]
    next.interface.version = 2
    try next.build("new.so", in: patch.directory)
    let outcome = try patch.makePatch()
    #expect(outcome.output.contains("class restart"))
    #expect(outcome.output.contains("needs a restart: the interface changes from version 1 to 2"))
    #expect(outcome.output.contains("needs a restart: the record layouts change"))
  }

  @Test func `several modules go into one patch`() throws {
    var far = TestModule()
    far.name = "far"
    try far.build("far-old.so", in: patch.directory)
    far.version = (1, 0, 1)
    far.markedConstant = 5
    try far.build("far-new.so", in: patch.directory)
    try bench.succeed(
      "diff", "old.so", "new.so", "far-old.so", "far-new.so", "-o", "both.hlp", "--key",
      "vendor.key")
    try bench.succeed(
      "verify", "both.hlp", "--trust", "vendor.pub", "--base", "far-old.so", "--base", "old.so")
    try bench.succeed(
      "apply", "both.hlp", "--trust", "vendor.pub", "--base", "far-old.so", "-o", "far.so")
    #expect(try patch.directory.bytes("far.so") == patch.directory.bytes("far-new.so"))
    try bench.refuse(
      41, "verify", "both.hlp", "--trust", "vendor.pub", "--base", "far-new.so")
    try bench.refuse(
      10, "diff", "old.so", "new.so", "old.so", "new.so", "-o", "x.hlp", "--key", "vendor.key")
  }

  @Test func `two signatures are two keys, and both are checked`() throws {
    try bench.succeed("keygen", "--out", "second")
    try patch.makePatch("--key", "second.key")
    try bench.succeed(
      "verify", "sample.hlp", "--trust", "vendor.pub", "--trust", "second.pub", "--threshold", "2")
    let outcome = try bench.hitless("verify", "sample.hlp", "--trust", "vendor.pub")
    #expect(outcome.status == 0)
    #expect(outcome.errors.hasPrefix("hitless: warning: a signature by the unknown key "))
    try patch.makePatch("--key", "vendor.key")
    try bench.refuse(
      21, "verify", "sample.hlp", "--trust", "vendor.pub", "--trust", "second.pub", "--threshold",
      "2")
  }

  @Test func `the old patch stays when a new one cannot be made`() throws {
    try patch.makePatch()
    try patch.directory.write("no.so", Array("no module".utf8))
    try bench.refuse(42, "diff", "old.so", "no.so", "-o", "sample.hlp", "--key", "vendor.key")
  }

  @Test func `files that are no module, the same module, or other modules are refused`() throws {
    let key = ["--key", "vendor.key", "-o", "x.hlp"]
    try patch.directory.write("text", Array("#!/bin/sh\n".utf8))
    try bench.refuse(42, "diff", "text", "new.so", key[0], key[1], key[2], key[3])
    try bench.refuse(2, "diff", "old.so", "old.so", key[0], key[1], key[2], key[3])
    var far = TestModule()
    far.name = "far"
    try far.build("far.so", in: patch.directory)
    try bench.refuse(40, "diff", "old.so", "far.so", key[0], key[1], key[2], key[3])
    var slot = TestModule()
    slot.interface.id = 8
    try slot.build("slot.so", in: patch.directory)
    try bench.refuse(40, "diff", "old.so", "slot.so", key[0], key[1], key[2], key[3])
    // e_flags: same processor, another ABI. e_machine alone makes the relocations senseless.
    for (offset, value, code) in [(48, 1, 40), (18, 183, 42)] as [(Int, UInt8, Int32)] {
      var other = try patch.directory.bytes("new.so")
      other[offset] = value
      try patch.directory.write("other.so", other)
      try bench.refuse(code, "diff", "old.so", "other.so", key[0], key[1], key[2], key[3])
    }
  }

  @Test func `names, labels and build-ids that no reader would take are refused`() throws {
    func diff(_ options: String...) throws -> Int32 {
      try run(
        try BuiltProduct.path("hitless"),
        ["diff", "old.so", "new.so", "-o", "x.hlp", "--key", "vendor.key"] + options,
        in: patch.directory.url
      ).status
    }
    #expect(try diff("--product", "../upf") == 43)
    #expect(try diff("--release", "a b") == 10)
    #expect(try diff("--resolves", "") == 10)
    #expect(try diff("--needs", "xyz") == 2)
    #expect(try diff("--needs", "abcd") == 10)
    #expect(try diff("--not-before", "2028-01-01", "--not-after", "2027-01-01") == 10)
    #expect(try diff("--sequence", "-1") == 2)
    #expect(try !patch.directory.names.contains { $0.contains(".hlp") })
  }

  @Test func `no input is overwritten by the patch`() throws {
    for input in ["old.so", "./new.so", "vendor.key"] {
      try bench.refuse(43, "diff", "old.so", "new.so", "-o", input, "--key", "vendor.key")
    }
  }

  @Test func `a wrong key is refused before anything is written`() throws {
    try bench.refuse(10, "diff", "old.so", "new.so", "-o", "x.hlp", "--key", "vendor.pub")
    try bench.refuse(61, "diff", "old.so", "new.so", "-o", "x.hlp", "--key", "missing.key")
    try patch.directory.write("half.key", Array(try patch.directory.bytes("vendor.key").prefix(60)))
    try bench.refuse(10, "diff", "old.so", "new.so", "-o", "x.hlp", "--key", "half.key")
    let rsa = try run(
      "/usr/bin/openssl",
      [
        "genpkey", "-algorithm", "EC", "-pkeyopt", "group:P-256", "-out",
        patch.directory.path("ec.key"),
      ])
    #expect(rsa.status == 0)
    try bench.refuse(12, "diff", "old.so", "new.so", "-o", "x.hlp", "--key", "ec.key")
  }
}
