import PatchFormat
import Refusal
import Signing
import Testing
import Verification

@Suite("Verifier")
struct VerifierTests {
  let key: SigningKey
  let trust: TrustedKeys

  init() throws {
    key = try SigningKey.generate()
    trust = try TrustedKeys(keys: [key.publicKey])
  }

  @Test func `a genuine patch is accepted and yields its target`() throws {
    let sample = SamplePatch()
    let patch = try verify(try sample.file(signedBy: [key]), trust: trust)
    #expect(patch.manifest == sample.manifest)
    #expect(patch.signers == [key.publicKey])
    #expect(try patch.target(of: 0, base: sample.base) == sample.target)
  }
}
