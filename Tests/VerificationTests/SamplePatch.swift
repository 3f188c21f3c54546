import Bytes
import DeltaEncoder
import DeltaModel
import Digests
import PatchFormat
import Refusal
import Signing
import Verification

/// A small patch whose parts a test can change one at a time.
struct SamplePatch {
  static let context = UnverifiedPatch.signatureContext

  var base: [UInt8] = Array("the base, thirty-two bytes long.".utf8)
  var target: [UInt8] = Array("the next, thirty-two bytes long!".utf8)
  var delta: [UInt8] = []
  var manifest: Manifest

  init() {
    self.init(modules: ["qer"])
  }

  /// A patch of several modules that all change in the same way.
  init(modules: [String]) {
    let encoded = DeltaEncoder.encode(base: base, target: target)
    delta = encoded.bytes
    manifest = Manifest(product: "upf", release: "1.0.1", sequence: 7, components: [])
    manifest.components = modules.map { name in
      Self.component(name, base: base, target: target, delta: encoded)
    }
  }

  static func component(
    _ name: String, base: [UInt8], target: [UInt8], delta: EncodedDelta
  ) -> Component {
    Component(
      module: name, interface: .init(id: 2, version: 1), upgradeClass: .hot,
      machine: .init(machine: 62, flags: 0),
      base: image(base, buildID: 0xb0), target: image(target, buildID: 0xb1),
      delta: .init(
        codec: delta.header.codec, size: UInt64(delta.bytes.count),
        digest: SHA256Digest(of: delta.bytes), memory: delta.header.memoryNeeded),
      states: [.init(id: 0x5145_5201, size: 64)])
  }

  static func image(_ bytes: [UInt8], buildID: UInt8) -> Component.Image {
    .init(
      digest: SHA256Digest(of: bytes), size: UInt64(bytes.count),
      buildID: [UInt8](repeating: buildID, count: 20))
  }

  /// The manifest as it would be signed.
  var payload: [UInt8] { manifest.encoded }

  /// The whole file, signed by `keys`.
  func file(signedBy keys: [SigningKey], payload: [UInt8]? = nil) throws -> [UInt8] {
    let message = try COSESign.sign(
      payload ?? self.payload, context: Self.context, keys: keys)
    return try file(envelope: message.encoded)
  }

  /// The whole file around an envelope that somebody else made.
  func file(envelope: [UInt8]) throws -> [UInt8] {
    try UnverifiedPatch.file(
      envelope: envelope, blobs: manifest.components.map { _ in delta })
  }
}

/// What a verifier is asked in these tests.
func verify(
  _ file: [UInt8], trust: TrustedKeys, facts: VerificationFacts = VerificationFacts()
) throws -> VerifiedPatch {
  let patch: UnverifiedPatch
  do { patch = try UnverifiedPatch(parsing: file) } catch {
    throw Refusal(error, in: "the patch file")
  }
  return try Verifier.verify(patch, trust: trust, facts: facts)
}
