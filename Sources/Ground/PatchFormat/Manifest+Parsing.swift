package import Bytes
internal import Digests

extension Manifest {
  /// Parses a manifest and checks everything that can be checked without facts from outside.
  ///
  /// A parsed manifest is well-formed, not trusted: nothing may act on it before the signature over
  /// the same bytes was checked. Rules and their order: docs/format.md, section 5.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    guard bytes.count <= PatchLimits.manifestSize else {
      throw FormatError(
        .overLimit(
          "the size of the manifest", found: UInt64(bytes.count),
          limit: UInt64(PatchLimits.manifestSize)), at: 0)
    }
    let fields = try ManifestFields(try CBOR(parsing: bytes), path: "the manifest", at: 0)
    try Self.requireSupported(fields)
    self.init(
      product: try fields.name(Key.product.rawValue, of: "the product"),
      release: try fields.label(Key.release.rawValue),
      sequence: try fields.number(Key.sequence.rawValue),
      components: try Self.components(fields))
    minimumAgent = try fields.number(Key.minimumAgent.rawValue, absent: 1)
    criticalFeatures = try fields.number(Key.criticalFeatures.rawValue, absent: 0)
    features = try fields.number(Key.features.rawValue, absent: 0)
    try parseValidity(fields)
    try parseReferences(fields)
  }

  /// What a later version announces is looked at first, so that it is not mistaken for damage.
  private static func requireSupported(_ fields: ManifestFields) throws(FormatError) {
    let format = try fields.number(Key.format.rawValue)
    guard format == Self.format else {
      throw fields.unsupported(Key.format.rawValue, "manifest format \(format)")
    }
    let critical = try fields.number(Key.criticalFeatures.rawValue, absent: 0)
    guard critical & ~knownCriticalFeatures == 0 else {
      throw fields.unsupported(
        Key.criticalFeatures.rawValue,
        "a critical feature (bits 0x\(String(critical, radix: 16)))")
    }
    let agent = try fields.number(Key.minimumAgent.rawValue, absent: 1)
    guard agent > 0 else { throw fields.illegal(Key.minimumAgent.rawValue, "zero") }
    guard agent <= agentVersion else {
      throw fields.unsupported(
        Key.minimumAgent.rawValue, "a patch for agents of contract \(agent) and later")
    }
    try fields.requireAllKnown(
      Key.allCases.map(\.rawValue), ignoringFrom: Key.firstIgnorable)
  }

  private static func components(_ fields: ManifestFields) throws(FormatError) -> [Component] {
    let key = Key.components.rawValue
    let items = try fields.list(key, limit: PatchLimits.components)
    guard !items.isEmpty else { throw fields.illegal(key, "missing") }
    var components: [Component] = []
    var names: Set<String> = []
    for (number, (item, offset)) in zip(items, fields.itemOffsets(of: key)).enumerated() {
      let component = try Component(item, path: "component \(number)", at: offset)
      guard names.insert(component.module).inserted else {
        throw FormatError(.illegal("module '\(component.module)' twice in one patch"), at: offset)
      }
      components.append(component)
    }
    return components
  }

  private mutating func parseValidity(_ fields: ManifestFields) throws(FormatError) {
    if fields.optional(Key.notBefore.rawValue) != nil {
      notBefore = try fields.number(Key.notBefore.rawValue)
    }
    if fields.optional(Key.notAfter.rawValue) != nil {
      notAfter = try fields.number(Key.notAfter.rawValue)
    }
    if let notBefore, let notAfter, notBefore > notAfter {
      throw fields.illegal(Key.notAfter.rawValue, "before key \(Key.notBefore.rawValue)")
    }
  }

  private mutating func parseReferences(_ fields: ManifestFields) throws(FormatError) {
    for item in try fields.list(Key.resolves.rawValue, limit: PatchLimits.listCount) {
      guard let id = item.textValue, PatchName.isLabel(id), !resolves.contains(id) else {
        throw fields.illegal(Key.resolves.rawValue, "no label, or one twice")
      }
      resolves.append(id)
    }
    for item in try fields.list(Key.prerequisites.rawValue, limit: PatchLimits.listCount) {
      guard let id = item.bytesValue, PatchLimits.buildIDSize.contains(id.count),
        !prerequisites.contains(id)
      else { throw fields.illegal(Key.prerequisites.rawValue, "no build-id, or one twice") }
      prerequisites.append(id)
    }
    guard let item = fields.optional(Key.documents.rawValue) else { return }
    guard let digest = item.bytesValue.flatMap(SHA256Digest.init(bytes:)) else {
      throw fields.illegal(Key.documents.rawValue, "no digest")
    }
    documents = digest
  }
}
