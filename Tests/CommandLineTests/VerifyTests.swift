import Foundation
import TestSupport
import Testing

@Suite("hitless verify and inspect")
struct VerifyTests {
  let patch: PatchBench
  var bench: Workbench { patch.bench }

  init() throws {
    patch = try PatchBench()
    try patch.makePatch("--product", "upf", "--not-after", "2099-12-31")
  }

  @Test func `it prints one line for each check it made, and none for others`() throws {
    let few = try bench.succeed("verify", "sample.hlp", "--trust", "vendor.pub")
    #expect(
      topics(few) == ["signature", "manifest", "delta", "coverage", "release", "validity"])
    let all = try bench.succeed(
      "verify", "sample.hlp", "--trust", "vendor.pub", "--product", "upf", "--floor", "5",
      "--base", "old.so")
    #expect(
      Array(topics(all).prefix(8)) == [
        "signature", "manifest", "delta", "coverage", "release", "product", "validity", "sequence",
      ])
    #expect(topics(all).dropFirst(8).first == "base")
    #expect(topics(all).contains("target"))
    #expect(all.output.hasSuffix("verified: upf 1.0.1, sequence 1000001, class hot: sample\n"))
  }

  @Test func `what is known about the host is checked, by the names that people use`() throws {
    let machine = try #require(
      try run("/bin/uname", ["-m"]).output.split(separator: "\n").first.map(String.init))
    for name in Set([machine, machine.replacingOccurrences(of: "x86_64", with: "x86-64")]) {
      for interface in ["7:1", "0x7:1"] {
        let outcome = try bench.succeed(
          "verify", "sample.hlp", "--trust", "vendor.pub", "--machine", name, "--interface",
          "8:1", "--interface", interface)
        #expect(outcome.output.contains("checked: machine: e_machine "))
        #expect(outcome.output.contains("checked: interface: a slot for every module\n"))
      }
    }
    let other = machine == "riscv64" ? "aarch64" : "riscv64"
    try bench.refuse(
      40, "verify", "sample.hlp", "--trust", "vendor.pub", "--machine", other)
    for interface in ["7:2", "8:1"] {
      try bench.refuse(
        40, "verify", "sample.hlp", "--trust", "vendor.pub", "--interface", interface)
      try bench.refuse(
        40, "apply", "sample.hlp", "--trust", "vendor.pub", "--interface", interface, "--base",
        "old.so", "-o", "x.so")
    }
  }

  @Test func `the JSON carries the same checks`() throws {
    let lines = try bench.succeed(
      "verify", "sample.hlp", "--trust", "vendor.pub", "--at", "2030-01-01")
    let object = try bench.object(
      try bench.succeed(
        "verify", "sample.hlp", "--trust", "vendor.pub", "--at", "2030-01-01", "--json"))
    #expect(object["verified"] as? Bool == true)
    let checks = try #require(object["checks"] as? [String])
    #expect(
      checks.map { "checked: \($0)" }
        == lines.output.split(separator: "\n").dropLast().map(String.init))
  }

  @Test func `what must be refused is refused with its class`() throws {
    try bench.succeed("keygen", "--out", "stranger")
    try bench.refuse(21, "verify", "sample.hlp", "--trust", "stranger.pub")
    try bench.refuse(21, "verify", "sample.hlp", "--trust", "missing.pub")
    try bench.refuse(21, "verify", "sample.hlp", "--trust", "vendor.pub", "--trust", "missing.pub")
    try bench.refuse(21, "verify", "sample.hlp", "--trust", "vendor.key")
    try bench.refuse(21, "verify", "sample.hlp", "--trust", "old.so")
    try bench.refuse(10, "verify", "sample.hlp", "--trust", "vendor.pub", "--threshold", "0")
    try bench.refuse(21, "verify", "sample.hlp", "--trust", "vendor.pub", "--threshold", "2")
    try bench.refuse(
      21, "verify", "sample.hlp", "--trust", "vendor.pub", "--trust", "vendor.pub", "--threshold",
      "2")
    try bench.refuse(40, "verify", "sample.hlp", "--trust", "vendor.pub", "--product", "smf")
    try bench.refuse(31, "verify", "sample.hlp", "--trust", "vendor.pub", "--at", "2100-01-01")
    try bench.refuse(31, "verify", "sample.hlp", "--trust", "vendor.pub", "--at", "0")
    try bench.refuse(30, "verify", "sample.hlp", "--trust", "vendor.pub", "--floor", "1000002")
    try bench.refuse(41, "verify", "sample.hlp", "--trust", "vendor.pub", "--base", "new.so")
    try bench.refuse(61, "verify", "missing.hlp", "--trust", "vendor.pub")
  }

  @Test func `a byte changed anywhere is refused`() throws {
    let whole = try patch.directory.bytes("sample.hlp")
    for (index, code) in [(0, 10), (4, 12), (6, 10), (25, 10), (150, 20), (-1, 22)]
      as [(Int, Int32)]
    {
      try patch.flip("sample.hlp", at: index)
      try bench.refuse(code, "verify", "sample.hlp", "--trust", "vendor.pub")
      try patch.directory.write("sample.hlp", whole)
    }
    for count in [0, 1, 19, 20, 200, whole.count - 1] {
      try patch.directory.write("sample.hlp", Array(whole.prefix(count)))
      try bench.refuse(10, "verify", "sample.hlp", "--trust", "vendor.pub")
      try bench.refuse(10, "inspect", "sample.hlp")
    }
    try patch.directory.write("sample.hlp", whole + [0])
    try bench.refuse(10, "verify", "sample.hlp", "--trust", "vendor.pub")
  }

  /// Row 25 of the refusals: a file that is none is not read, and nobody waits for a writer.
  @Test func `a pipe, a device and a directory are refused before they are read`() throws {
    try bench.makePipe("pipe")
    for name in ["pipe", "/dev/zero", "."] {
      try bench.refuse(10, "verify", name, "--trust", "vendor.pub")
      try bench.refuse(10, "inspect", name)
      try bench.refuse(21, "verify", "sample.hlp", "--trust", name)
      try bench.refuse(10, "verify", "sample.hlp", "--trust", "vendor.pub", "--base", name)
    }
  }

  @Test func `a sparse file of a terabyte is refused by its size`() throws {
    let made = try run("/usr/bin/truncate", ["-s", "1T", patch.directory.path("huge.hlp")])
    try #require(made.status == 0, "\(made.errors)")
    let outcome = try bench.hitless("verify", "huge.hlp", "--trust", "vendor.pub")
    #expect(outcome.status == 11)
    try FileManager.default.removeItem(atPath: patch.directory.path("huge.hlp"))
  }

  @Test func `a refusal is one JSON object when that is asked for`() throws {
    let outcome = try bench.refuse(
      40, "verify", "sample.hlp", "--trust", "vendor.pub", "--product", "smf", "--json")
    let object = try bench.object(outcome)
    #expect(object["class"] as? String == "not-for-target")
    #expect(object["code"] as? Int == 40)
    #expect(object["expected"] as? String == "smf")
    #expect(object["found"] as? String == "upf")
  }

  @Test func `inspect shows the manifest and says that it verified nothing`() throws {
    let outcome = try bench.succeed("inspect", "sample.hlp")
    #expect(outcome.output.hasPrefix("'sample.hlp' says this of itself; nothing was verified\n"))
    for line in ["product      upf", "release      1.0.1", "not after    2099-12-31T00:00:00Z"] {
      #expect(outcome.output.contains(line + "\n"))
    }
    // It needs no key, and does not care that one byte of a delta is wrong.
    try patch.flip("sample.hlp", at: -1)
    #expect(try bench.succeed("inspect", "sample.hlp").output == outcome.output)
  }

  private func topics(_ outcome: ProgramRun) -> [String] {
    outcome.output.split(separator: "\n").filter { $0.hasPrefix("checked: ") }
      .map { String($0.dropFirst(9).prefix { $0 != ":" }) }
  }
}
