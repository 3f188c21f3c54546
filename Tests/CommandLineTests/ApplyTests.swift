import Foundation
import TestSupport
import Testing

@Suite("hitless apply")
struct ApplyTests {
  let patch: PatchBench
  var bench: Workbench { patch.bench }

  init() throws {
    patch = try PatchBench()
    try patch.makePatch()
  }

  @Test func `the result is the new module, byte for byte`() throws {
    try bench.succeed(
      "apply", "sample.hlp", "--base", "old.so", "--trust", "vendor.pub", "-o", "result.so")
    #expect(try patch.directory.bytes("result.so") == patch.directory.bytes("new.so"))
    let object = try bench.object(
      try bench.succeed(
        "apply", "sample.hlp", "--base", "old.so", "--trust", "vendor.pub", "-o", "result.so",
        "--json"))
    #expect(object["output"] as? String == "result.so")
    #expect(object["module"] as? String == "sample")
  }

  @Test func `an old file under the name of the result is replaced, in one step`() throws {
    try patch.directory.write("result.so", [1, 2, 3])
    try bench.succeed(
      "apply", "sample.hlp", "--base", "old.so", "--trust", "vendor.pub", "-o", "result.so")
    #expect(try patch.directory.bytes("result.so") == patch.directory.bytes("new.so"))
  }

  @Test func `base and result may be the same file`() throws {
    try bench.succeed(
      "apply", "sample.hlp", "--base", "old.so", "--trust", "vendor.pub", "-o", "old.so")
    #expect(try patch.directory.bytes("old.so") == patch.directory.bytes("new.so"))
  }

  @Test func `what is refused leaves no result behind, and an old one as it was`() throws {
    try patch.directory.write("result.so", [1, 2, 3])
    let whole = try patch.directory.bytes("sample.hlp")
    for (base, change, code) in [
      ("new.so", nil, 41), ("old.so", 0, 10), ("old.so", -1, 22), ("missing", nil, 61),
      ("vendor.pub", nil, 41),
    ] as [(String, Int?, Int32)] {
      if let change { try patch.flip("sample.hlp", at: change) }
      for output in ["result.so", "new-result.so"] {
        try bench.refuse(
          code, "apply", "sample.hlp", "--base", base, "--trust", "vendor.pub", "-o", output)
      }
      try patch.directory.write("sample.hlp", whole)
    }
    try bench.succeed("keygen", "--out", "stranger")
    try bench.refuse(
      21, "apply", "sample.hlp", "--base", "old.so", "--trust", "stranger.pub", "-o", "result.so")
  }

  /// Row 51: the whole base counts, also where the patch reads nothing of it.
  @Test func `a base that differs in one byte is refused, whichever byte it is`() throws {
    let base = try patch.directory.bytes("old.so")
    for index in stride(from: 0, to: base.count, by: base.count / 6) {
      try patch.flip("old.so", at: index)
      try bench.refuse(
        41, "apply", "sample.hlp", "--base", "old.so", "--trust", "vendor.pub", "-o", "r.so")
      try patch.directory.write("old.so", base)
    }
  }

  @Test func `a result cannot be written where no file can be`() throws {
    try bench.makePipe("pipe")
    try FileManager.default.createDirectory(
      at: patch.directory.url.appendingPathComponent("dir"), withIntermediateDirectories: false)
    for (output, code) in [("pipe", 43), ("dir", 43), ("/dev/null", 43), ("no/r.so", 61)]
      as [(String, Int32)]
    {
      let outcome = try bench.refuse(
        code, "apply", "sample.hlp", "--base", "old.so", "--trust", "vendor.pub", "-o", output)
      #expect(outcome.errors.contains("'\(output)'"))
    }
  }
}
