package import ElfImage
package import PatchFormat
package import Refusal

extension VerifiedPatch {
  /// Reads the target of component number `component` as the module it claims to be.
  ///
  /// Refused when it may not be loaded under `policy`, and when its ELF file and its note do not say
  /// what the manifest says (docs/format.md, section 6.6). `bytes` is what `target(of:base:)` returned.
  package func checkImage(
    _ bytes: [UInt8], of component: Int, policy: LoadabilityPolicy
  ) throws(Refusal) -> ElfImage {
    precondition(manifest.components.indices.contains(component), "no such component")
    let expected = manifest.components[component]
    let image = try LoadabilityLint.check(
      bytes, policy: policy, name: "module '\(expected.module)'")
    // Both are there, or the lint would have said so.
    guard let facts = image.moduleFacts, let buildID = image.buildID else {
      throw Refusal(.badELF, "the target says nothing about itself", at: expected.module)
    }
    let found = Component.Machine(
      machine: image.header.machine.rawValue, flags: image.header.flags)
    try require(expected.machine == found, "machine", expected)
    try require(expected.target.buildID == buildID, "build-id", expected)
    try require(expected.module == facts.name, "name", expected)
    try require(
      expected.interface == .init(id: facts.interfaceID, version: facts.interfaceVersion),
      "interface", expected)
    let states = expected.states.map { ModuleFacts.StateSchema(id: $0.id, size: $0.size) }
    try require(states == facts.states, "records", expected)
    try requireClass(expected, image)
    return image
  }

  /// What migrates can, and is not called less than it is.
  private func requireClass(_ component: Component, _ image: ElfImage) throws(Refusal) {
    let migrates = component.states.contains { $0.migratesFrom != nil }
    let isOfClass = component.upgradeClass == .hotWithMigration
    try require(!migrates || component.upgradeClass >= .hotWithMigration, "class", component)
    guard isOfClass else { return }
    let hasHook = (try? image.has(.migrate)) ?? false
    try require(migrates && hasHook, "hook that migrates records", component)
  }

  private func require(
    _ agrees: Bool, _ what: String, _ component: Component
  ) throws(Refusal) {
    guard agrees else {
      throw Refusal(
        .badELF, "the target's own \(what) is not the one in the manifest", at: component.module,
        hint: "the patch was not made by 'hitless diff'; ask the vendor")
    }
  }
}

extension Component.Machine {
  /// What a module must say that is to run on `machine`.
  package init(_ machine: ElfMachine) {
    self.init(machine: machine.rawValue, flags: machine.flags)
  }
}
