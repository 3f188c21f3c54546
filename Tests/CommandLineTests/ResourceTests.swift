import Foundation
import TestSupport
import Testing

/// A full disk and a file system on which nobody may write.
///
/// Mounting takes root; where that is not permitted these tests say so and are skipped.
@Suite("hitless on a full disk", .serialized)
struct ResourceTests {
  @Test func `a full disk is reported, and nothing half written stays`() throws {
    let patch = try PatchBench()
    try patch.makePatch()
    try withTmpfs(of: "64k", in: patch) { mount in
      try Data(count: 62 << 10).write(to: mount.appendingPathComponent("filler"))
      for arguments in [
        ["diff", "old.so", "new.so", "--key", "vendor.key", "-o", "disk/x.hlp"],
        ["apply", "sample.hlp", "--base", "old.so", "--trust", "vendor.pub", "-o", "disk/x.so"],
      ] {
        let outcome = try run(
          try BuiltProduct.path("hitless"), arguments, in: patch.directory.url)
        #expect(outcome.status == 60, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("hitless: error: cannot write 'disk/x."))
        #expect(try FileManager.default.contentsOfDirectory(atPath: mount.path) == ["filler"])
      }
    }
  }

  @Test func `a full disk leaves no key behind`() throws {
    let patch = try PatchBench()
    try withTmpfs(of: "4k", in: patch) { mount in
      try Data(count: 4 << 10).write(to: mount.appendingPathComponent("filler"))
      let outcome = try patch.bench.hitless("keygen", "--out", "disk/k")
      #expect(outcome.status == 60, "\(outcome.errors)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: mount.path) == ["filler"])
    }
  }

  @Test func `a file system that is read-only is reported with a hint`() throws {
    let patch = try PatchBench()
    try patch.makePatch()
    try withTmpfs(of: "64k", options: "ro,", in: patch) { mount in
      let outcome = try patch.bench.hitless(
        "apply", "sample.hlp", "--base", "old.so", "--trust", "vendor.pub", "-o", "disk/x.so")
      #expect(outcome.status == 61, "\(outcome.errors)")
      #expect(outcome.errors.contains("hitless: hint: "))
      #expect(try FileManager.default.contentsOfDirectory(atPath: mount.path).isEmpty)
    }
  }

  @Test func `a full device behind stdout is an error, not silence`() throws {
    let patch = try PatchBench()
    try patch.makePatch()
    let outcome = try run(
      "/bin/sh",
      [
        "-c", "\"$0\" verify sample.hlp --trust vendor.pub >/dev/full",
        try BuiltProduct.path("hitless"),
      ],
      in: patch.directory.url)
    #expect(outcome.status == 60)
    #expect(outcome.errors.contains("standard output"))
  }

  private func withTmpfs(
    of size: String, options: String = "", in patch: PatchBench, _ body: (URL) throws -> Void
  ) throws {
    let mount = patch.directory.url.appendingPathComponent("disk")
    try FileManager.default.createDirectory(at: mount, withIntermediateDirectories: false)
    let mounted = try run(
      "/bin/mount", ["-t", "tmpfs", "-o", "\(options)size=\(size)", "none", mount.path])
    guard mounted.status == 0 else {
      try Test.cancel("no tmpfs can be mounted here: \(mounted.errors)")
    }
    defer { _ = try? run("/bin/umount", [mount.path]) }
    try body(mount)
  }
}
