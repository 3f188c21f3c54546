import Bytes
import Digests
import PatchFormat

/// A manifest with every field, and its parts as items that a test can replace.
enum Samples {
  static let digest = SHA256Digest(of: [1])
  static let buildID = [UInt8](repeating: 0xb0, count: 20)

  static var component: Component {
    Component(
      module: "qer", interface: .init(id: 2, version: 1), upgradeClass: .hot,
      machine: .init(machine: 62, flags: 0),
      base: .init(digest: digest, size: 5000, buildID: buildID),
      target: .init(digest: SHA256Digest(of: [2]), size: 5100, buildID: buildID),
      delta: .init(codec: 1, size: 120, digest: SHA256Digest(of: [3]), memory: 6000),
      states: [.init(id: 7, size: 64), .init(id: 9, size: 16, migratesFrom: 8)])
  }

  static var manifest: Manifest {
    var manifest = Manifest(
      product: "upf", release: "2026.4-r1", sequence: 42, components: [component])
    manifest.features = 4
    manifest.notBefore = 1_700_000_000
    manifest.notAfter = 1_900_000_000
    manifest.resolves = ["CVE-2026-12345", "UPF-77"]
    manifest.prerequisites = [[UInt8](repeating: 0xc1, count: 20)]
    manifest.documents = SHA256Digest(of: [4])
    return manifest
  }

  /// The manifest's map by key.
  static func fields() throws -> [UInt64: CBOR] { try entries(CBOR(parsing: manifest.encoded)) }

  /// The map of its one component by key.
  static func componentFields() throws -> [UInt64: CBOR] {
    try entries(fields()[10]?.arrayValue?.first ?? .null)
  }

  /// The manifest with one entry of its map replaced, or removed.
  static func manifest(replacing key: UInt64, with item: CBOR?) throws -> [UInt8] {
    var fields = try fields()
    fields[key] = item
    return map(fields).encoded
  }

  /// The manifest with one entry of its component replaced, or removed.
  static func manifest(replacingInComponent key: UInt64, with item: CBOR?) throws -> [UInt8] {
    var fields = try componentFields()
    fields[key] = item
    return try manifest(replacing: 10, with: .array([map(fields)]))
  }

  static func map(_ fields: [UInt64: CBOR]) -> CBOR {
    .map(Dictionary(uniqueKeysWithValues: fields.map { (.unsigned($0.key), $0.value) }))
  }

  static func image(
    digest: [UInt8] = Self.digest.bytes, size: UInt64 = 5000, buildID: [UInt8] = Self.buildID
  ) -> CBOR {
    .array([.bytes(digest), .unsigned(size), .bytes(buildID)])
  }

  static func delta(
    codec: UInt64 = 1, size: UInt64 = 120, digest: [UInt8] = Self.digest.bytes,
    memory: UInt64 = 6000
  ) -> CBOR {
    .array([.unsigned(codec), .unsigned(size), .bytes(digest), .unsigned(memory)])
  }

  private static func entries(_ item: CBOR) throws -> [UInt64: CBOR] {
    var fields: [UInt64: CBOR] = [:]
    for (key, value) in item.mapValue ?? [:] { fields[key.unsignedValue ?? 0] = value }
    return fields
  }
}

/// The kind of a decoder's error, for comparing without its words.
enum Fault: Equatable, Sendable {
  case truncated, trailing, illegal, notCanonical, overLimit, unsupported, mismatch, badName

  init(_ error: FormatError) {
    self =
      switch error.reason {
      case .truncated: .truncated
      case .trailing: .trailing
      case .illegal: .illegal
      case .notCanonical: .notCanonical
      case .overLimit: .overLimit
      case .unsupported: .unsupported
      case .mismatch: .mismatch
      case .badName: .badName
      }
  }
}

/// How parsing `bytes` as a manifest fails; nil when it does not.
func fault(_ bytes: [UInt8]) -> Fault? {
  do throws(FormatError) {
    _ = try Manifest(parsing: bytes)
    return nil
  } catch {
    return Fault(error)
  }
}
