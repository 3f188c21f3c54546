internal import Bytes
package import ElfImage
package import Refusal

/// Compares two builds of a module.
package enum Compatibility {
  /// The section of functions marked `HITLESS_PATCHABLE`.
  package static let markedSection = "hitless_patchable"

  /// Returns what changed; throws when the two are not builds of one module for one machine.
  package static func compare(
    base: ElfImage, target: ElfImage
  ) throws(Refusal) -> ModuleChange {
    let (old, new) = (try facts(of: base, "the base"), try facts(of: target, "the target"))
    guard old.name == new.name else {
      throw Refusal(
        .notForTarget, "base and target are different modules", expected: old.name,
        found: new.name)
    }
    try requireSameMachine(base, target)
    guard old.interfaceID == new.interfaceID else {
      throw Refusal(
        .notForTarget, "base and target fill slots of different interfaces",
        expected: "interface \(old.interfaceID)", found: "interface \(new.interfaceID)",
        at: old.name)
    }
    let changed = SectionComparison.changes(from: base, to: target)
    let migrations = try migrations(from: old, to: new, by: target)
    let additions = additions(from: old, to: new)
    return ModuleChange(
      base: old, target: new,
      obstacles: obstacles(
        from: old, to: new, migrating: migrations != nil || !additions.isEmpty),
      migrations: migrations ?? [], additions: additions,
      changesMarkedCode: changed.contains { $0.name == markedSection },
      unmarked: changed.filter { $0.name != markedSection })
  }

  private static func facts(of image: ElfImage, _ what: String) throws(Refusal) -> ModuleFacts {
    guard let facts = image.moduleFacts else {
      throw Refusal(
        .badELF, "\(what) carries no facts about a module (note of Hitless)",
        hint: "a module includes hitless/module.h and has the note; see docs/abi.md")
    }
    return facts
  }

  private static func requireSameMachine(
    _ base: ElfImage, _ target: ElfImage
  ) throws(Refusal) {
    let (old, new) = (base.header, target.header)
    guard old.machine == new.machine, old.flags == new.flags else {
      throw Refusal(
        .notForTarget, "base and target are for different machines",
        expected: "\(old.machine.name), e_flags 0x\(String(old.flags, radix: 16))",
        found: "\(new.machine.name), e_flags 0x\(String(new.flags, radix: 16))")
    }
  }

  /// Which records the target can move, in the order of their schemas; nil when there are any that it cannot.
  ///
  /// A schema that goes makes room for the one that comes in its place; both have ids of their own, and the
  /// target has the hook, which knows both directions.
  private static func migrations(
    from old: ModuleFacts, to new: ModuleFacts, by target: ElfImage
  ) throws(Refusal) -> [ModuleChange.Migration]? {
    let gone = old.states.filter { !new.states.contains($0) }
    let fresh = new.states.filter { !old.states.contains($0) }
    if gone.isEmpty, fresh.isEmpty { return [] }
    let known = Set(old.states.map(\.id))
    guard gone.count == fresh.count, !fresh.contains(where: { known.contains($0.id) }) else {
      return nil
    }
    do throws(FormatError) {
      guard try target.has(.migrate) else { return nil }
    } catch {
      throw Refusal(error, in: "the target")
    }
    return zip(gone, fresh).map { ModuleChange.Migration(from: $0, to: $1) }
  }

  /// What the target keeps beside the base's records, all of which it has, too; in the order of its facts.
  private static func additions(
    from old: ModuleFacts, to new: ModuleFacts
  ) -> [ModuleFacts.StateSchema] {
    guard old.states.allSatisfy(new.states.contains) else { return [] }
    return new.states.filter { !old.states.contains($0) }
  }

  private static func obstacles(
    from old: ModuleFacts, to new: ModuleFacts, migrating: Bool
  ) -> [ModuleChange.Obstacle] {
    var obstacles: [ModuleChange.Obstacle] = []
    if old.interfaceVersion != new.interfaceVersion {
      obstacles.append(
        .interfaceVersion(from: old.interfaceVersion, to: new.interfaceVersion))
    }
    if old.tableSize != new.tableSize {
      obstacles.append(.tableSize(from: old.tableSize, to: new.tableSize))
    }
    // Their order means nothing while they are the same.
    if !migrating {
      obstacles.append(.states(from: old.states, to: new.states))
    }
    return obstacles
  }
}
