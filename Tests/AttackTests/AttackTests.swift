import AttackCorpus
import ElfImage
import Foundation
import PatchFormat
import Refusal
import Signing
import TestSupport
import Testing
import Verification

/// The refusal suite for patch files: each case is given to the verifier and to the command line, and
/// both must give the answer that is expected, and leave everything as it was.
@Suite("Attacks by patch file")
struct AttackTests {
  let ground: AttackGround
  var directory: TemporaryDirectory { ground.directory }
  var forge: Forge { ground.forge }
  var base: [UInt8] { ground.base }

  init() throws { ground = try AttackGround() }

  @Test func `what a carrier can do to the container`() throws {
    try expectAnswers(try forge.containerCases())
  }

  @Test func `parts that do not fit each other`() throws {
    try expectAnswers(try forge.layoutCases())
  }

  @Test func `what can be tried with signatures`() throws {
    try expectAnswers(try forge.signatureCases())
  }

  @Test func `hostile manifests under a valid signature`() throws {
    try expectAnswers(try forge.manifestCases())
  }

  @Test func `hostile numbers under a valid signature`() throws {
    try expectAnswers(try forge.numberCases())
  }

  @Test func `genuine patches for another machine`() throws {
    try expectAnswers(try forge.machineCases())
  }

  @Test func `genuine patches that fit no slot`() throws {
    try expectAnswers(try ground.interfaceCases)
  }

  @Test func `genuine patches to what may not be loaded`() throws {
    try expectAnswers(try ground.moduleCases)
  }

  private func expectAnswers(_ cases: [AttackCase]) throws {
    #expect(cases.count >= 5)
    for attack in cases {
      #expect(try answerOfVerifier(attack) == attack.expected, "verifier: \(attack)")
      #expect(try answerOfTool(attack) == attack.expected, "command line: \(attack)")
    }
    #expect(try directory.names == ["case.hlp", "new.so", "old.so", "vendor.pub"])
    #expect(try directory.bytes("old.so") == base)
  }

  private func answerOfVerifier(_ attack: AttackCase) throws -> RefusalClass? {
    let trust = try TrustedKeys(keys: [forge.key.publicKey])
    let split: UnverifiedPatch
    do { split = try UnverifiedPatch(parsing: attack.file) } catch {
      return Refusal(error, in: "the file").kind
    }
    var facts = VerificationFacts()
    facts.machine = Component.Machine(.host)
    facts.interfaces = [forge.component.interface]
    do throws(Refusal) {
      let patch = try Verifier.verify(split, trust: trust, facts: facts)
      let target = try patch.target(of: 0, base: base)
      _ = try patch.checkImage(target, of: 0, policy: .standard)
      return nil
    } catch {
      return error.kind
    }
  }

  private func answerOfTool(_ attack: AttackCase) throws -> RefusalClass? {
    try directory.write("case.hlp", attack.file)
    let outcome = try run(
      try BuiltProduct.path("hitless"),
      [
        "verify", "case.hlp", "--trust", "vendor.pub", "--base", "old.so", "--machine",
        ElfMachine.host.name, "--interface", "7:1",
      ], in: directory.url)
    #expect(outcome.status >= 0 && outcome.status < 128, "\(attack) ended with \(outcome.status)")
    guard outcome.status != 0 else { return nil }
    #expect(outcome.output == "")
    #expect(outcome.errors.hasPrefix("hitless: error: "))
    // No control character of the file reaches the terminal.
    #expect(outcome.errors.unicodeScalars.allSatisfy { $0.value >= 0x20 || $0 == "\n" })
    return RefusalClass(rawValue: outcome.status)
  }
}
