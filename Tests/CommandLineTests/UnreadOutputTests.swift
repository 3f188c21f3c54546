import Foundation
import Glibc
import TestSupport
import Testing

/// The bug: whoever looked at the first lines only, with `hitless … | head -1`, got "error: cannot write
/// 'standard output': Broken pipe" on the terminal, and the code of a failed disk.
@Suite("hitless whose output nobody reads")
struct UnreadOutputTests {
  let patch: PatchBench

  init() throws {
    patch = try PatchBench()
    try patch.makePatch()
  }

  @Test(arguments: [
    ["explain"], ["explain", "41"], ["--help"], ["verify", "--help"], ["lint", "old.so"],
    ["inspect", "sample.hlp", "--json"], ["verify", "sample.hlp", "--trust", "vendor.pub"],
    ["lint", "vendor.pub", "--json"],
  ])
  func `it ends at once and without a word, as SIGPIPE ends other tools`(
    arguments: [String]
  ) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try BuiltProduct.path("hitless"))
    process.arguments = arguments
    process.currentDirectoryURL = patch.directory.url
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    // Before it starts, so that the first line meets a reader that has gone.
    try output.fileHandleForReading.close()
    try process.run()
    let said = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal)
    #expect(process.terminationStatus == SIGPIPE)
    // A refusal is still told to whoever reads stderr.
    let isRefused = arguments.contains("vendor.pub") && arguments.contains("lint")
    #expect(said.isEmpty == !isRefused, "\(String(decoding: said, as: UTF8.self))")
  }

  @Test func `the first line alone can be looked at`() throws {
    let outcome = try run(
      "/bin/bash", ["-c", "\"$0\" explain | head -n 1", try BuiltProduct.path("hitless")])
    #expect(outcome.output.hasPrefix("  0  success "))
    #expect(outcome.output.split(separator: "\n").count == 1)
    #expect(outcome.errors == "")
  }

  /// What was asked for is done before it is reported.
  @Test func `a patch is there although nobody read that it was made`() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try BuiltProduct.path("hitless"))
    process.arguments = ["diff", "old.so", "new.so", "-o", "unread.hlp", "--key", "vendor.key"]
    process.currentDirectoryURL = patch.directory.url
    let output = Pipe()
    process.standardOutput = output
    try output.fileHandleForReading.close()
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == SIGPIPE)
    #expect(
      try patch.directory.bytes("unread.hlp") == patch.directory.bytes("sample.hlp"))
    #expect(
      try patch.directory.names == [
        "new.so", "old.so", "sample.hlp", "unread.hlp", "vendor.key", "vendor.pub",
      ])
  }
}
