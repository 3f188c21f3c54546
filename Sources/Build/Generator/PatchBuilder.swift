internal import Bytes
internal import Compatibility
internal import DeltaEncoder
internal import Digests
internal import ElfImage
internal import PatchFormat
package import Refusal
internal import Signing

/// Makes patch files.
package enum PatchBuilder {
  /// Builds and signs a patch; the same request gives the same bytes.
  ///
  /// `progress` gets the name of a module and a fraction from 0 to 1. The result is well-formed; that
  /// it verifies and yields its targets, the caller proves with the device's own code.
  package static func build(
    _ request: PatchRequest, progress: @escaping @Sendable (String, Double) -> Void = { _, _ in }
  ) throws(Refusal) -> BuiltPatch {
    var components: [Component] = []
    var deltas: [[UInt8]] = []
    var parts: [BuiltPatch.Part] = []
    for pair in request.pairs {
      let module = try ModulePair(pair, policy: request.policy)
      let delta = DeltaEncoder.encode(
        base: pair.base, target: pair.target, effort: request.effort
      ) { fraction in
        progress(module.change.target.name, fraction)
      }
      components.append(module.component(delta: delta))
      deltas.append(delta.bytes)
      parts.append(BuiltPatch.Part(change: module.change, mode: delta.mode))
    }
    let manifest = try manifest(request, components: components, parts: parts)
    let message = try COSESign.sign(
      manifest.encoded, context: UnverifiedPatch.signatureContext, keys: request.keys)
    do throws(FormatError) {
      let file = try UnverifiedPatch.file(envelope: message.encoded, blobs: deltas)
      return BuiltPatch(
        bytes: file, manifest: manifest, identity: SHA256Digest(of: message.payload),
        parts: parts)
    } catch {
      throw Refusal(error, in: "the patch")
    }
  }

  private static func manifest(
    _ request: PatchRequest, components: [Component], parts: [BuiltPatch.Part]
  ) throws(Refusal) -> Manifest {
    let versions = Set(parts.map(\.change.target.version))
    var manifest = Manifest(
      product: request.product, release: try release(request, versions),
      sequence: try sequence(request, versions), components: components)
    manifest.notBefore = request.notBefore
    manifest.notAfter = request.notAfter
    manifest.resolves = request.resolves
    manifest.prerequisites = request.prerequisites
    // What no reader would take is not written.
    do throws(FormatError) {
      return try Manifest(parsing: manifest.encoded)
    } catch {
      throw Refusal(error, in: "the manifest")
    }
  }

  private static func release(
    _ request: PatchRequest, _ versions: Set<ModuleFacts.Version>
  ) throws(Refusal) -> String {
    if let release = request.release { return release }
    guard let version = versions.first, versions.count == 1 else {
      throw Refusal(
        .usage, "modules of different versions have no release id in common",
        hint: "give one, for example '--release 2027.1'")
    }
    return version.description
  }

  /// A version makes a number that rises with it, so that patches of one module need no counter.
  private static func sequence(
    _ request: PatchRequest, _ versions: Set<ModuleFacts.Version>
  ) throws(Refusal) -> UInt64 {
    if let sequence = request.sequence { return sequence }
    guard let version = versions.first, versions.count == 1, version.major < 1000,
      version.minor < 1000, version.patch < 1000
    else {
      throw Refusal(
        .usage, "these versions make no sequence number",
        hint: "give one that is higher than any before, for example '--sequence 7'")
    }
    return (UInt64(version.major) * 1000 + UInt64(version.minor)) * 1000 + UInt64(version.patch)
  }
}
