import Digests
import PatchFormat
import Refusal
import Signing
import Testing
import Verification

/// What a genuine patch meets at a host that knows who it is, what time it is and what it runs.
@Suite("Policy of the verifier")
struct PolicyTests {
  static let now: UInt64 = 1_800_000_000
  let key: SigningKey
  let trust: TrustedKeys

  init() throws {
    key = try SigningKey.generate()
    trust = try TrustedKeys(keys: [key.publicKey])
  }

  @Test func `without facts nothing is claimed to be checked that was not`() throws {
    let patch = try check(SamplePatch(), VerificationFacts())
    let topics = patch.checks.map { $0.prefix { $0 != ":" } }
    #expect(topics == ["signature", "manifest", "delta", "coverage", "release"])
  }

  @Test func `with every fact every check leaves its line`() throws {
    var sample = SamplePatch()
    sample.manifest.prerequisites = [[UInt8](repeating: 0xb0, count: 20)]
    let patch = try check(sample, Self.facts(for: sample))
    let topics = patch.checks.map { String($0.prefix { $0 != ":" }) }
    #expect(
      topics == [
        "signature", "manifest", "delta", "coverage", "release", "product", "validity",
        "sequence", "machine", "interface", "base", "prerequisites",
      ])
  }

  @Test func `a patch for another product is refused`() throws {
    let error = try refusal(of: SamplePatch()) { $0.product = "upf-other" }
    #expect(error.kind == .notForTarget)
    #expect(error.expected == "upf-other" && error.found == "upf")
  }

  @Test func `validity includes its first and its last second`() throws {
    var sample = SamplePatch()
    sample.manifest.notBefore = Self.now
    sample.manifest.notAfter = Self.now
    _ = try check(sample, Self.facts(for: sample))
    for wrong in [Self.now - 1, Self.now + 1] {
      #expect(try refusal(of: sample) { $0.now = wrong }.kind == .expired)
    }
  }

  /// Rows 44 and the rule to fail closed: a patch without limits does not make any clock plausible.
  @Test(arguments: [0, 1, Verifier.earliestClock - 1])
  func `a clock that was never set is refused`(now: UInt64) throws {
    #expect(try refusal(of: SamplePatch()) { $0.now = now }.kind == .expired)
  }

  @Test func `a clock set back below the last accepted time is refused`() throws {
    let sample = SamplePatch()
    #expect(try refusal(of: sample) { $0.clockFloor = Self.now + 1 }.kind == .expired)
    var facts = Self.facts(for: sample)
    facts.clockFloor = Self.now
    _ = try check(sample, facts)
  }

  @Test func `a patch for another machine is refused`() throws {
    for machine in [Component.Machine(machine: 183, flags: 0), .init(machine: 62, flags: 3)] {
      #expect(try refusal(of: SamplePatch()) { $0.machine = machine }.kind == .notForTarget)
    }
  }

  @Test func `a module for an interface that no slot has is refused`() throws {
    for interface in [Component.Interface(id: 2, version: 2), .init(id: 3, version: 1)] {
      let error = try refusal(of: SamplePatch()) { $0.interfaces = [interface] }
      #expect(error.kind == .notForTarget)
    }
    #expect(try refusal(of: SamplePatch()) { $0.interfaces = [] }.kind == .notForTarget)
  }

  @Test func `a base that is not in force is refused`() throws {
    let sample = SamplePatch()
    #expect(try refusal(of: sample) { $0.inForce = [:] }.kind == .wrongBase)
    let target = SamplePatch.image(sample.target, buildID: 0xb1)
    #expect(try refusal(of: sample) { $0.inForce = ["qer": target] }.kind == .wrongBase)
    let sameBytesOtherID = SamplePatch.image(sample.base, buildID: 0xb7)
    #expect(
      try refusal(of: sample) { $0.inForce = ["qer": sameBytesOtherID] }.kind == .wrongBase)
  }

  @Test func `a prerequisite that is not in force is refused as a mixture`() throws {
    var sample = SamplePatch()
    sample.manifest.prerequisites = [[UInt8](repeating: 0xcc, count: 20)]
    #expect(try refusal(of: sample) { _ in }.kind == .mixed)
  }

  @Test func `modules for different machines in one patch are refused as a mixture`() throws {
    var sample = SamplePatch(modules: ["qer", "far"])
    let far = sample.manifest.components[1]
    sample.manifest.components[1] = Component(
      module: far.module, interface: far.interface, upgradeClass: far.upgradeClass,
      machine: .init(machine: 183, flags: 0), base: far.base, target: far.target,
      delta: far.delta, states: far.states)
    let error = try #require(throws: Refusal.self) { try check(sample, VerificationFacts()) }
    #expect(error.kind == .mixed)
  }

  @Test func `the same module cannot be in a patch twice, even when signed`() throws {
    let sample = SamplePatch(modules: ["qer", "qer"])
    let error = try #require(throws: Refusal.self) { try check(sample, VerificationFacts()) }
    #expect(error.kind == .format)
  }

  @Test func `a hostile module name is refused as a name, even when signed`() throws {
    let error = try #require(throws: Refusal.self) {
      try check(SamplePatch(modules: ["../../etc/x"]), VerificationFacts())
    }
    #expect(error.kind == .path)
  }

  // MARK: - Support

  static func facts(for sample: SamplePatch) -> VerificationFacts {
    var facts = VerificationFacts()
    facts.product = "upf"
    facts.now = now
    facts.accepted = [:]
    facts.machine = .init(machine: 62, flags: 0)
    facts.interfaces = [.init(id: 2, version: 1)]
    facts.inForce = ["qer": SamplePatch.image(sample.base, buildID: 0xb0)]
    return facts
  }

  private func check(_ sample: SamplePatch, _ facts: VerificationFacts) throws -> VerifiedPatch {
    try verify(try sample.file(signedBy: [key]), trust: trust, facts: facts)
  }

  private func refusal(
    of sample: SamplePatch, when change: (inout VerificationFacts) -> Void
  ) throws -> Refusal {
    var facts = Self.facts(for: sample)
    change(&facts)
    return try #require(throws: Refusal.self) { try check(sample, facts) }
  }
}
