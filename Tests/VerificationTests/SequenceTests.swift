import Digests
import PatchFormat
import Refusal
import Signing
import Testing
import Verification

/// Rollback, freeze and fast-forward: what the sequence number stops.
@Suite("Sequence numbers")
struct SequenceTests {
  static let other = SHA256Digest(of: Array("another patch".utf8))
  let key: SigningKey
  let trust: TrustedKeys

  init() throws {
    key = try SigningKey.generate()
    trust = try TrustedKeys(keys: [key.publicKey])
  }

  @Test func `a replay of an older patch is a rollback`() throws {
    #expect(try outcome(6, after: 7) == .rollback)
    #expect(try outcome(0, after: 1) == .rollback)
    #expect(try outcome(8, after: 7) == nil)
  }

  @Test func `the same patch once more is a rollback, another one with its number an alarm`() throws
  {
    var sample = SamplePatch()
    sample.manifest.sequence = 7
    let identity = SHA256Digest(of: sample.payload)
    #expect(try outcome(7, after: 7, identity: identity) == .rollback)
    #expect(try outcome(7, after: 7) == .mixed)
  }

  @Test func `the first patch of a product needs no predecessor`() throws {
    #expect(try outcome(0, after: nil) == nil)
    #expect(try outcome(7, after: nil) == nil)
  }

  @Test func `a fast-forward is refused beyond the jump limit`() throws {
    let limit = Verifier.sequenceJumpLimit
    #expect(try outcome(UInt64.max, after: 7) == .rollback)
    #expect(try outcome(UInt64.max, after: nil) == .rollback)
    #expect(try outcome(7 + limit, after: 7) == nil)
    #expect(try outcome(8 + limit, after: 7) == .rollback)
    #expect(try outcome(limit, after: nil) == nil)
    #expect(try outcome(limit + 1, after: nil) == .rollback)
    #expect(try outcome(UInt64.max, after: UInt64.max - 1) == nil)
  }

  /// Row 46: a state directory that was lost or rolled back does not lower what the embedder knows.
  @Test func `the floor of the embedder holds when the state is lost`() throws {
    #expect(try outcome(9, after: nil, floor: 10) == .rollback)
    #expect(try outcome(10, after: nil, floor: 10) == nil)
    #expect(try outcome(10, after: 3, floor: 10) == nil)
    #expect(try outcome(UInt64.max, after: nil, floor: UInt64.max) == nil)
  }

  @Test func `numbers count per product and module`() throws {
    var sample = SamplePatch()
    sample.manifest.sequence = 3
    var facts = VerificationFacts()
    let patch = AcceptedPatch(sequence: 9, identity: Self.other)
    facts.accepted = [
      SequenceKey(product: "upf", module: "classify"): patch,
      SequenceKey(product: "smf", module: "qer"): patch,
    ]
    _ = try verify(try sample.file(signedBy: [key]), trust: trust, facts: facts)
  }

  @Test func `every module of a patch must be newer`() throws {
    var sample = SamplePatch(modules: ["qer", "classify"])
    sample.manifest.sequence = 5
    var facts = VerificationFacts()
    facts.accepted = [
      SequenceKey(product: "upf", module: "qer"): .init(sequence: 4, identity: Self.other),
      SequenceKey(product: "upf", module: "classify"): .init(sequence: 6, identity: Self.other),
    ]
    let file = try sample.file(signedBy: [key])
    let error = try #require(throws: Refusal.self) {
      try verify(file, trust: trust, facts: facts)
    }
    #expect(error.kind == .rollback)
    #expect(error.location == "classify")
  }

  @Test func `what is to be remembered names every module of the patch`() throws {
    let sample = SamplePatch(modules: ["qer", "classify"])
    let patch = try verify(try sample.file(signedBy: [key]), trust: trust)
    #expect(
      Set(patch.accepted.keys) == [
        SequenceKey(product: "upf", module: "qer"),
        SequenceKey(product: "upf", module: "classify"),
      ])
    #expect(patch.accepted.values.allSatisfy { $0.identity == patch.identity && $0.sequence == 7 })
    // Once remembered, the same patch is no longer new.
    var facts = VerificationFacts()
    facts.accepted = patch.accepted
    #expect(throws: Refusal.self) {
      try verify(try sample.file(signedBy: [key]), trust: trust, facts: facts)
    }
  }

  private func outcome(
    _ sequence: UInt64, after last: UInt64?, identity: SHA256Digest = Self.other,
    floor: UInt64 = 0
  ) throws -> RefusalClass? {
    var sample = SamplePatch()
    sample.manifest.sequence = sequence
    var facts = VerificationFacts()
    facts.sequenceFloor = floor
    facts.accepted = [:]
    if let last {
      facts.accepted = [
        SequenceKey(product: "upf", module: "qer"): .init(sequence: last, identity: identity)
      ]
    }
    let patch = try UnverifiedPatch(parsing: try sample.file(signedBy: [key]))
    do throws(Refusal) {
      _ = try Verifier.verify(patch, trust: trust, facts: facts)
      return nil
    } catch {
      return error.kind
    }
  }
}
