import Bytes
import Digests
import ElfImage
import Generator
import PatchFormat
import Refusal
import Signing
import TestSupport
import Testing
import Verification

/// A vendor's broken or hostile tool signs a manifest that does not describe the module in the patch.
@Suite("A signed manifest that says other things than the module")
struct LyingManifestTests {
  let key: SigningKey
  let old: [UInt8]
  let built: BuiltPatch

  init() throws {
    let directory = try TemporaryDirectory()
    key = try SigningKey.generate()
    old = try PatchBuilderTests.build(TestModule(), in: directory)
    var module = TestModule()
    module.markedConstant = 2
    let new = try PatchBuilderTests.build(module, in: directory)
    built = try PatchBuilder.build(
      PatchRequest(pairs: [.init(base: old, target: new, names: ("old", "new"))], keys: [key]))
  }

  @Test func `the truth is accepted`() throws { #expect(try outcome { $0 } == nil) }

  @Test func `another name, interface, machine, build-id or record is not`() throws {
    #expect(try outcome { with($0, module: "other") } == .badELF)
    #expect(try outcome { with($0, interface: .init(id: 7, version: 2)) } == .badELF)
    #expect(try outcome { with($0, interface: .init(id: 8, version: 1)) } == .badELF)
    #expect(try outcome { with($0, machine: .init(machine: 183, flags: 0)) } == .badELF)
    #expect(try outcome { with($0, machine: .init(machine: 62, flags: 1)) } == .badELF)
    #expect(try outcome { with($0, states: []) } == .badELF)
    #expect(try outcome { with($0, states: [.init(id: 0x51, size: 65)]) } == .badELF)
    #expect(
      try outcome { component in
        with(
          component,
          target: .init(
            digest: component.target.digest, size: component.target.size,
            buildID: [UInt8](repeating: 1, count: 20)))
      } == .badELF)
  }

  @Test func `another digest of the target is seen before a byte of it is used`() throws {
    #expect(
      try outcome { component in
        with(
          component,
          target: .init(
            digest: SHA256Digest(of: [1]), size: component.target.size,
            buildID: component.target.buildID))
      } == .integrity)
  }

  /// Rows 14 and 15: the delta declares one size and the manifest another.
  @Test func `another size or memory than the delta's own is refused before decoding`() throws {
    for size in [built.manifest.components[0].target.size - 1, 1 << 30] {
      let kind = try outcome { component in
        with(
          component,
          target: .init(
            digest: component.target.digest, size: size, buildID: component.target.buildID))
      }
      #expect(kind == .format)
    }
    let delta = built.manifest.components[0].delta
    for memory in [0, delta.memory - 1, delta.memory + 1] {
      let lie = Component.Delta(
        codec: delta.codec, size: delta.size, digest: delta.digest, memory: memory)
      #expect(try outcome { with($0, delta: lie) } == .format)
    }
    let codec = Component.Delta(
      codec: delta.codec ^ 1, size: delta.size, digest: delta.digest, memory: delta.memory)
    #expect(try outcome { with($0, delta: codec) } == .format)
  }

  /// How a patch with a changed component, signed again by the trusted key, fares.
  private func outcome(_ change: (Component) -> Component) throws -> RefusalClass? {
    var manifest = built.manifest
    manifest.components[0] = change(manifest.components[0])
    let message = try COSESign.sign(
      manifest.encoded, context: UnverifiedPatch.signatureContext, keys: [key])
    let file = try UnverifiedPatch.file(
      envelope: message.encoded, blobs: [Array(built.bytes.dropFirst(built.envelopeSize))])
    let split = try UnverifiedPatch(parsing: file)
    let trust = try TrustedKeys(keys: [key.publicKey])
    do throws(Refusal) {
      let patch = try Verifier.verify(split, trust: trust, facts: VerificationFacts())
      let target = try patch.target(of: 0, base: old)
      _ = try patch.checkImage(target, of: 0, policy: .standard)
      return nil
    } catch {
      return error.kind
    }
  }

  private func with(
    _ component: Component, module: String? = nil, interface: Component.Interface? = nil,
    machine: Component.Machine? = nil, target: Component.Image? = nil,
    delta: Component.Delta? = nil, states: [Component.State]? = nil
  ) -> Component {
    Component(
      module: module ?? component.module, interface: interface ?? component.interface,
      upgradeClass: component.upgradeClass, machine: machine ?? component.machine,
      base: component.base, target: target ?? component.target, delta: delta ?? component.delta,
      states: states ?? component.states)
  }
}
