internal import Compatibility
internal import DeltaEncoder
internal import DeltaModel
internal import Digests
internal import ElfImage
internal import PatchFormat
internal import Refusal

/// Two builds of one module, read, linted and compared.
struct ModulePair {
  let change: ModuleChange
  private let base: Component.Image
  private let target: Component.Image
  private let machine: Component.Machine

  init(_ pair: PatchRequest.Pair, policy: LoadabilityPolicy) throws(Refusal) {
    guard pair.base != pair.target else {
      throw Refusal(
        .usage, "'\(pair.names.base)' and '\(pair.names.target)' are the same: nothing changes",
        hint: "give the build that is in force first, and the one to replace it second")
    }
    let old = try Self.image(pair.base, pair.names.base, policy)
    let new = try Self.image(pair.target, pair.names.target, policy)
    change = try Compatibility.compare(base: old.elf, target: new.elf)
    base = old.identity
    target = new.identity
    machine = Component.Machine(
      machine: new.elf.header.machine.rawValue, flags: new.elf.header.flags)
  }

  /// The component that says how to get from one to the other.
  func component(delta: EncodedDelta) -> Component {
    let facts = change.target
    return Component(
      module: facts.name,
      interface: .init(id: facts.interfaceID, version: facts.interfaceVersion),
      upgradeClass: upgradeClass, machine: machine, base: base, target: target,
      delta: .init(
        codec: delta.header.codec, size: UInt64(delta.bytes.count),
        digest: SHA256Digest(of: delta.bytes), memory: delta.header.memoryNeeded),
      states: facts.states.map { state in
        let origin = change.migrations.first { $0.to == state }
        return .init(id: state.id, size: state.size, migratesFrom: origin?.from.id)
      })
  }

  private var upgradeClass: UpgradeClass {
    if change.isHot { return .hot }
    return change.isHotWithMigration ? .hotWithMigration : .restart
  }

  private static func image(
    _ bytes: [UInt8], _ name: String, _ policy: LoadabilityPolicy
  ) throws(Refusal) -> (elf: ElfImage, identity: Component.Image) {
    let elf = try LoadabilityLint.check(bytes, policy: policy, name: "'\(name)'")
    guard let buildID = elf.buildID else {
      throw Refusal(.badELF, "'\(name)' has no build-id", hint: "link with --build-id=sha1")
    }
    return (
      elf,
      Component.Image(
        digest: SHA256Digest(of: bytes), size: UInt64(bytes.count), buildID: buildID)
    )
  }
}
