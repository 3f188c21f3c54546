import Digests
import Foundation
import PatchFormat
import Signing
import TestSupport
import Testing
import Verification

/// A verifier and a writer in Python, made from docs/format.md with a CBOR and a crypto library alone.
@Suite("Patches and a second implementation")
struct JudgeTests {
  static let judges = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Judges")
  let directory: TemporaryDirectory
  let key: SigningKey
  let trust: TrustedKeys

  init() throws {
    directory = try TemporaryDirectory()
    key = try SigningKey.generate()
    trust = try TrustedKeys(keys: [key.publicKey])
    try directory.write("vendor.pub", try key.publicKey.pem)
  }

  @Test func `the judge accepts our patch and reads what we wrote`() throws {
    var sample = SamplePatch(modules: ["qer", "classify"])
    sample.manifest.notAfter = 4_000_000_000
    sample.manifest.resolves = ["CVE-2026-1"]
    let file = try sample.file(signedBy: [key])
    let base = try directory.write("base", sample.base)
    let judged = try judge(file, ["--base", base])
    #expect(judged.status == 0, "\(judged.errors)")
    let found = try #require(
      try JSONSerialization.jsonObject(with: Data(judged.output.utf8)) as? [String: Any])
    let patch = try verify(file, trust: trust)
    #expect(found["identity"] as? String == patch.identity.hex)
    #expect(found["product"] as? String == "upf")
    #expect(found["sequence"] as? Int == 7)
    #expect(found["notAfter"] as? Int == 4_000_000_000)
    let components = try #require(found["components"] as? [[String: Any]])
    #expect(components.map { $0["module"] as? String } == ["qer", "classify"])
    let target = try #require(components[0]["target"] as? [String: Any])
    #expect(target["sha256"] as? String == patch.manifest.components[0].target.digest.hex)
    #expect(components[0]["states"] as? [[Int]] == [[0x5145_5201, 64]])
  }

  /// The judge is not blind: it refuses a wrong base, a wrong key and a flip in each part of the file.
  @Test func `the judge refuses what we refuse`() throws {
    let sample = SamplePatch()
    let file = try sample.file(signedBy: [key])
    let other = try directory.write("other", sample.target)
    #expect(try judge(file, ["--base", other]).status == 1)
    let stranger = try sample.file(signedBy: [try SigningKey.generate()])
    #expect(try judge(stranger, []).status == 1)
    for index in stride(from: 0, to: file.count, by: 29) {
      var changed = file
      changed[index] ^= 0x10
      #expect(throws: (any Error).self) { try verify(changed, trust: trust) }
      #expect(try judge(changed, []).status == 1, "flip at \(index)")
    }
    #expect(try judge(file + [0], []).status == 1)
    #expect(try judge(Array(file.dropLast()), []).status == 1)
  }

  @Test func `we accept the patch of another writer`() throws {
    let sample = SamplePatch()
    let base = try directory.write("base", sample.base)
    let target = try directory.write("target", sample.target)
    let path = directory.path("other.hlp")
    let made = try run(
      "/usr/bin/python3",
      [
        Self.judges.appendingPathComponent("make_patch.py").path, base, target, path,
        directory.path("other.pub"),
      ])
    #expect(made.status == 0, "\(made.errors)")
    let writer = try PublicKey(pem: try directory.bytes("other.pub"))
    let patch = try verify(
      try directory.bytes("other.hlp"), trust: try TrustedKeys(keys: [writer]))
    #expect(patch.manifest.release == "other-writer-1")
    #expect(patch.manifest.resolves == ["CVE-2026-1"])
    #expect(try patch.target(of: 0, base: sample.base) == sample.target)
    // And what we would have encoded is what the other writer encoded.
    #expect(SHA256Digest(of: patch.manifest.encoded) == patch.identity)
  }

  private func judge(_ file: [UInt8], _ options: [String]) throws -> ProgramRun {
    let path = try directory.write("judged.hlp", file)
    return try run(
      "/usr/bin/python3",
      [
        Self.judges.appendingPathComponent("verify_patch.py").path, path,
        directory.path("vendor.pub"),
      ] + options)
  }
}
