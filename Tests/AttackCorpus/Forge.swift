internal import Bytes
internal import DeltaEncoder
internal import DeltaModel
internal import Digests
package import PatchFormat
package import Signing

/// Makes patch files that are right but for one thing.
///
/// Base and target are builds of one module, `module` is what the manifest must say about it.
package struct Forge: Sendable {
  /// Everything that identifies the honest patch.
  package let component: Component
  /// The key that hosts trust.
  package let key: SigningKey
  let base: [UInt8]
  let target: [UInt8]
  let delta: [UInt8]

  /// Takes over an honest patch, split into its parts.
  package init(component: Component, base: [UInt8], target: [UInt8], key: SigningKey) {
    let encoded = DeltaEncoder.encode(base: base, target: target)
    delta = encoded.bytes
    self.base = base
    self.target = target
    self.key = key
    self.component = Component(
      module: component.module, interface: component.interface,
      upgradeClass: component.upgradeClass, machine: component.machine, base: component.base,
      target: component.target,
      delta: .init(
        codec: encoded.header.codec, size: UInt64(delta.count),
        digest: SHA256Digest(of: delta), memory: encoded.header.memoryNeeded),
      states: component.states)
  }

  var manifest: Manifest {
    Manifest(product: "upf", release: "1.0.1", sequence: 7, components: [component])
  }

  /// The entries of the honest manifest's map.
  var fields: [UInt64: CBOR] {
    get throws { try Self.entries(CBOR(parsing: manifest.encoded)) }
  }

  /// The entries of the map of its one component.
  var componentFields: [UInt64: CBOR] {
    get throws { try Self.entries(fields[10]?.arrayValue?.first ?? .null) }
  }

  /// The honest file.
  package var honest: [UInt8] {
    get throws { try file(payload: manifest.encoded) }
  }

  /// A file whose payload is signed, whatever it is.
  func file(
    payload: [UInt8], blobs: [[UInt8]]? = nil, keys: [SigningKey]? = nil, context: [UInt8]? = nil
  ) throws -> [UInt8] {
    let message = try COSESign.sign(
      payload, context: context ?? UnverifiedPatch.signatureContext, keys: keys ?? [key])
    return try file(envelope: message.encoded, blobs: blobs)
  }

  /// A file around an envelope.
  func file(envelope: [UInt8], blobs: [[UInt8]]? = nil) throws -> [UInt8] {
    try UnverifiedPatch.file(envelope: envelope, blobs: blobs ?? [delta])
  }

  /// A file with one entry of the manifest replaced, or removed, and signed.
  func file(replacing key: UInt64, with item: CBOR?) throws -> [UInt8] {
    var changed = try fields
    changed[key] = item
    return try file(payload: Self.map(changed).encoded)
  }

  /// A file with one entry of the component replaced, or removed, and signed.
  func file(replacingInComponent key: UInt64, with item: CBOR?) throws -> [UInt8] {
    var changed = try componentFields
    changed[key] = item
    return try file(replacing: 10, with: .array([Self.map(changed)]))
  }

  /// A file with another delta that the manifest describes truthfully, and signed.
  func file(
    delta: [UInt8], codec: UInt64? = nil, targetSize: UInt64? = nil, memory: UInt64? = nil
  ) throws -> [UInt8] {
    var changed = try componentFields
    let size = targetSize ?? component.target.size
    changed[7] = .array([
      .bytes(component.target.digest.bytes), .unsigned(size), .bytes(component.target.buildID),
    ])
    changed[8] = .array([
      .unsigned(codec ?? UInt64(delta.first ?? 0)), .unsigned(UInt64(delta.count)),
      .bytes(SHA256Digest(of: delta).bytes), .unsigned(memory ?? size),
    ])
    var all = try fields
    all[10] = .array([Self.map(changed)])
    return try file(payload: Self.map(all).encoded, blobs: [delta])
  }

  static func map(_ fields: [UInt64: CBOR]) -> CBOR {
    .map(Dictionary(uniqueKeysWithValues: fields.map { (.unsigned($0.key), $0.value) }))
  }

  private static func entries(_ item: CBOR) -> [UInt64: CBOR] {
    var fields: [UInt64: CBOR] = [:]
    for (key, value) in item.mapValue ?? [:] { fields[key.unsignedValue ?? 0] = value }
    return fields
  }
}
