internal import Bytes
internal import Digests

extension Component {
  /// Parses one entry of the manifest's list (docs/format.md, section 5.2).
  init(_ item: CBOR, path: String, at offset: Int) throws(FormatError) {
    let fields = try ManifestFields(item, path: path, at: offset)
    let kind = try fields.number(Key.kind.rawValue)
    guard kind == Kind.module.rawValue else {
      throw fields.unsupported(Key.kind.rawValue, "kind \(kind) of \(path)")
    }
    try fields.requireAllKnown(Key.allCases.map(\.rawValue))
    self.init(
      module: try fields.name(Key.module.rawValue, of: "the module of \(path)"),
      interface: try Self.interface(fields),
      upgradeClass: try Self.upgradeClass(fields),
      machine: try Self.machine(fields),
      base: try Image(fields, .base),
      target: try Image(fields, .target),
      delta: try Delta(fields),
      states: try Self.states(fields))
    guard base.digest != target.digest else {
      throw fields.illegal(Key.target.rawValue, "the same as the base")
    }
    let limit = base.size + target.size + PatchLimits.decoderOverhead
    guard delta.memory <= limit else {
      throw fields.overLimit(Key.delta.rawValue, "memory for decoding", delta.memory, limit)
    }
  }

  private static func interface(_ fields: ManifestFields) throws(FormatError) -> Interface {
    let numbers = try fields.numbers(Key.interface.rawValue, count: 2)
    guard let id = UInt32(exactly: numbers[0]), let version = UInt32(exactly: numbers[1]) else {
      throw fields.illegal(Key.interface.rawValue, "a number beyond 32 bits")
    }
    return Interface(id: id, version: version)
  }

  private static func upgradeClass(_ fields: ManifestFields) throws(FormatError) -> UpgradeClass {
    let number = try fields.number(Key.upgradeClass.rawValue)
    guard let known = UpgradeClass(rawValue: number) else {
      throw fields.unsupported(Key.upgradeClass.rawValue, "upgrade class \(number)")
    }
    guard known != .policy else {
      throw fields.illegal(Key.upgradeClass.rawValue, "class 'policy' for a module")
    }
    return known
  }

  private static func machine(_ fields: ManifestFields) throws(FormatError) -> Machine {
    let numbers = try fields.numbers(Key.machine.rawValue, count: 2)
    guard let machine = UInt16(exactly: numbers[0]), let flags = UInt32(exactly: numbers[1]) else {
      throw fields.illegal(Key.machine.rawValue, "a number beyond its width")
    }
    return Machine(machine: machine, flags: flags)
  }

  private static func states(_ fields: ManifestFields) throws(FormatError) -> [State] {
    let key = Key.states.rawValue
    var states: [State] = []
    for item in try fields.list(key, limit: PatchLimits.states) {
      guard let items = item.arrayValue, (2...3).contains(items.count) else {
        throw fields.illegal(key, "not two or three numbers")
      }
      let numbers = items.compactMap(\.unsignedValue).compactMap { UInt32(exactly: $0) }
      guard numbers.count == items.count else {
        throw fields.illegal(key, "a number beyond 32 bits")
      }
      guard !states.contains(where: { $0.id == numbers[0] }) else {
        throw fields.illegal(key, "schema \(numbers[0]) twice")
      }
      let origin = numbers.count == 3 ? numbers[2] : nil
      guard origin != numbers[0] else { throw fields.illegal(key, "a migration from itself") }
      states.append(State(id: numbers[0], size: numbers[1], migratesFrom: origin))
    }
    return states
  }
}

extension Component.Image {
  fileprivate init(_ fields: ManifestFields, _ key: Component.Key) throws(FormatError) {
    guard let items = try fields.required(key.rawValue).arrayValue, items.count == 3,
      let digest = items[0].bytesValue.flatMap(SHA256Digest.init(bytes:)),
      let size = items[1].unsignedValue, let buildID = items[2].bytesValue
    else { throw fields.illegal(key.rawValue, "not a digest, a size and a build-id") }
    guard size <= PatchLimits.imageSize else {
      throw fields.overLimit(key.rawValue, "size of an image", size, PatchLimits.imageSize)
    }
    guard size > 0 else { throw fields.illegal(key.rawValue, "an empty image") }
    guard PatchLimits.buildIDSize.contains(buildID.count) else {
      throw fields.illegal(key.rawValue, "a build-id of \(buildID.count) bytes")
    }
    self.init(digest: digest, size: size, buildID: buildID)
  }
}

extension Component.Delta {
  fileprivate init(_ fields: ManifestFields) throws(FormatError) {
    let key = Component.Key.delta.rawValue
    guard let items = try fields.required(key).arrayValue, items.count == 4,
      let number = items[0].unsignedValue, let size = items[1].unsignedValue,
      let digest = items[2].bytesValue.flatMap(SHA256Digest.init(bytes:)),
      let memory = items[3].unsignedValue
    else { throw fields.illegal(key, "not a codec, a size, a digest and a memory size") }
    guard let codec = UInt8(exactly: number) else {
      throw fields.unsupported(key, "delta codec \(number)")
    }
    guard size <= PatchLimits.deltaSize else {
      throw fields.overLimit(key, "size of a delta", size, PatchLimits.deltaSize)
    }
    guard size > 0 else { throw fields.illegal(key, "an empty delta") }
    self.init(codec: codec, size: size, digest: digest, memory: memory)
  }
}
