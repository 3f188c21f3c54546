internal import Bytes
internal import Digests

extension Manifest {
  /// The manifest in its one encoding; a field that has its default is left out.
  package var encoded: [UInt8] {
    var entries: [Key: CBOR] = [
      .format: .unsigned(Self.format), .product: .text(product), .release: .text(release),
      .sequence: .unsigned(sequence), .components: .array(components.map(\.item)),
    ]
    if minimumAgent != 1 { entries[.minimumAgent] = .unsigned(minimumAgent) }
    if criticalFeatures != 0 { entries[.criticalFeatures] = .unsigned(criticalFeatures) }
    if features != 0 { entries[.features] = .unsigned(features) }
    if let notBefore { entries[.notBefore] = .unsigned(notBefore) }
    if let notAfter { entries[.notAfter] = .unsigned(notAfter) }
    if !resolves.isEmpty { entries[.resolves] = .array(resolves.map { .text($0) }) }
    if !prerequisites.isEmpty {
      entries[.prerequisites] = .array(prerequisites.map { .bytes($0) })
    }
    if let documents { entries[.documents] = .bytes(documents.bytes) }
    return CBOR.map(
      Dictionary(uniqueKeysWithValues: entries.map { (.unsigned($0.key.rawValue), $0.value) })
    ).encoded
  }
}

extension Component {
  fileprivate var item: CBOR {
    var entries: [Key: CBOR] = [
      .kind: .unsigned(kind.rawValue), .module: .text(module),
      .interface: .array([.unsigned(UInt64(interface.id)), .unsigned(UInt64(interface.version))]),
      .upgradeClass: .unsigned(upgradeClass.rawValue),
      .machine: .array([.unsigned(UInt64(machine.machine)), .unsigned(UInt64(machine.flags))]),
      .base: base.item, .target: target.item, .delta: delta.item,
    ]
    if !states.isEmpty { entries[.states] = .array(states.map(\.item)) }
    return .map(
      Dictionary(uniqueKeysWithValues: entries.map { (.unsigned($0.key.rawValue), $0.value) }))
  }
}

extension Component.Image {
  fileprivate var item: CBOR {
    .array([.bytes(digest.bytes), .unsigned(size), .bytes(buildID)])
  }
}

extension Component.Delta {
  fileprivate var item: CBOR {
    .array([
      .unsigned(UInt64(codec)), .unsigned(size), .bytes(digest.bytes), .unsigned(memory),
    ])
  }
}

extension Component.State {
  fileprivate var item: CBOR {
    var fields: [CBOR] = [.unsigned(UInt64(id)), .unsigned(UInt64(size))]
    if let migratesFrom { fields.append(.unsigned(UInt64(migratesFrom))) }
    return .array(fields)
  }
}
