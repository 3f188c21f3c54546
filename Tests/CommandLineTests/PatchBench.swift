import Foundation
import TestSupport
import Testing

/// A workbench with a key pair, two builds of a module and the patch between them.
struct PatchBench {
  let bench: Workbench
  var directory: TemporaryDirectory { bench.directory }

  init() throws {
    bench = try Workbench()
    try bench.succeed("keygen", "--out", "vendor")
    try TestModule().build("old.so", in: bench.directory)
    var next = TestModule()
    next.version = (1, 0, 1)
    next.markedConstant = 2
    try next.build("new.so", in: bench.directory)
  }

  /// Makes `sample.hlp`.
  @discardableResult
  func makePatch(_ options: String...) throws -> ProgramRun {
    let outcome = try run(
      try BuiltProduct.path("hitless"),
      ["diff", "old.so", "new.so", "-o", "sample.hlp", "--key", "vendor.key"] + options,
      in: directory.url)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return outcome
  }

  /// Changes one byte of a file.
  func flip(_ name: String, at index: Int) throws {
    var bytes = try directory.bytes(name)
    bytes[index < 0 ? bytes.count + index : index] ^= 1
    try directory.write(name, bytes)
  }
}
