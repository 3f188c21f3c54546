import Foundation
import Glibc
import PacketIO
import TestSupport
import Testing

/// A upfd with a key that cannot be used used to start without a word, and refused every patch from then
/// on: nobody noticed before the first one that was needed.
@Suite("The keys of upfd")
final class TrustTests {
  let directory: TemporaryDirectory
  let listener: PacketPortListener

  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("s.yaml", Array(SessionFileTests.sound.utf8))
    listener = try PacketPortListener(path: directory.path("n6"))
    let made = try run(
      try BuiltProduct.path("hitless"), ["keygen", "--out", directory.path("vendor")])
    try #require(made.status == 0, "\(made.errors)")
    try directory.write("empty.pub", [])
    try directory.write("garbage.pub", Array("-----BEGIN PUBLIC KEY-----\nAAAA\n".utf8))
    try directory.write("large.pub", [UInt8](repeating: 0x41, count: 1 << 17))
    try FileManager.default.createDirectory(
      at: directory.url.appendingPathComponent("folder.pub"), withIntermediateDirectories: false)
  }

  @Test(arguments: [
    ["missing.pub"], ["empty.pub"], ["garbage.pub"], ["large.pub"], ["folder.pub"],
    ["vendor.key"], ["vendor.pub", "missing.pub"], ["vendor.pub", "vendor.pub"],
  ])
  func `a key that cannot be used, or one too few, ends it before it forwards`(
    keys: [String]
  ) throws {
    let outcome = try start(keys, threshold: 2)
    #expect(outcome.status == 21, "\(outcome.errors)")
    #expect(outcome.output == "")
    let lines = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("upfd: error: ") }
    #expect(lines.count == 1, "\(outcome.errors)")
    #expect(outcome.errors.contains("upfd: hint: "))
    if keys.count == 1 { #expect(lines.first?.contains(keys[0]) == true, "\(outcome.errors)") }
    #expect(try !directory.names.contains("stats"))
  }

  @Test func `a key that nobody may read ends it too`() throws {
    let path = directory.path("vendor.pub")
    try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: path)
    // Root loses what lets it read against permissions.
    let bound = [
      "/usr/bin/setpriv", "--bounding-set=-dac_override,-dac_read_search", "--",
    ]
    let outcome = try start(["vendor.pub"], threshold: 1, as: geteuid() == 0 ? bound : [])
    #expect(outcome.status == 21, "\(outcome.errors)")
    #expect(outcome.errors.contains("vendor.pub"))
  }

  private func start(
    _ keys: [String], threshold: Int, as user: [String] = []
  ) throws -> ProgramRun {
    let arguments =
      [
        "--config", directory.path("s.yaml"), "--n3", "127.77.0.9", "--n6",
        "local:\(listener.path)", "--state", directory.path("state"), "--classify",
        try BuiltModules.path("classify", "1.0.1"), "--qer", try BuiltModules.path("qer", "1.0.1"),
        "--stats", directory.path("stats"), "--probe", try BuiltProduct.path("hitless-probe"),
        "--trust-threshold", "\(threshold)",
      ] + keys.flatMap { ["--trust", directory.path($0)] }
    let words = user + [try BuiltProduct.path("upfd")] + arguments
    // One that starts after all must not run for ever.
    return try run("/usr/bin/timeout", ["20"] + words)
  }
}
