internal import Bytes
internal import Digests
internal import ElfImage
internal import HotSwap
internal import PatchFormat
internal import Platform
internal import Refusal

/// A module file that nobody can change any more and that may be mapped, as far as a file can tell.
///
/// Made from verified bytes only: sealed, hashed once more, judged as ELF, and held against the slot.
struct SealedModule: ~Copyable {
  /// The slot it is for.
  let slot: String
  /// What was sealed.
  let bytes: [UInt8]
  /// What identifies it.
  let image: Component.Image
  /// What it says of itself.
  let facts: ModuleFacts
  /// What a mapped image of it must say.
  let expectation: ModuleExpectation
  /// The sealed file.
  let file: SealedMemoryFile

  init(
    _ bytes: [UInt8], digest: SHA256Digest, for slot: SlotRequirement, policy: LoadabilityPolicy
  ) throws(Refusal) {
    let file = try Self.seal(bytes, digest: digest, slot: slot.name)
    let image = try LoadabilityLint.check(
      bytes, policy: policy, name: "the module for slot '\(slot.name)'")
    guard let facts = image.moduleFacts, let factsBytes = image.moduleFactsBytes,
      let buildID = image.buildID
    else {
      throw Refusal(.badELF, "the module for slot '\(slot.name)' has no note or no build-id")
    }
    try slot.check(facts)
    self.slot = slot.name
    self.bytes = bytes
    self.image = Component.Image(digest: digest, size: UInt64(bytes.count), buildID: buildID)
    self.facts = facts
    self.file = file
    expectation = ModuleExpectation(buildID: buildID, facts: factsBytes)
  }

  /// Throws unless every record that this module reads or writes has the layout that `base` used, or is moved.
  ///
  /// A swap hands the host's records from one version to the other as they are, but those that `component` says
  /// are migrated. What comes beside all that there were is for the agent to judge, which knows the host's tables.
  borrowing func checkStates(
    against base: ModuleFacts, by component: Component
  ) throws(Refusal) {
    if component.upgradeClass == .hot, base.states.allSatisfy(facts.states.contains) { return }
    for state in facts.states where !base.states.contains(state) {
      let origin = component.states.first { $0.id == state.id }?.migratesFrom
      let isMoved = base.states.contains { $0.id == origin }
      if isMoved, component.upgradeClass == .hotWithMigration { continue }
      throw Refusal(
        .notForTarget,
        "module '\(facts.name)' uses records in a layout that the host does not have",
        expected: base.states.map(Self.describe).joined(separator: ", "),
        found: Self.describe(state), at: slot,
        hint: "records would have to be migrated, which needs a restart")
    }
  }

  private static func describe(_ state: ModuleFacts.StateSchema) -> String {
    "schema 0x\(String(state.id, radix: 16)) of \(state.size) bytes"
  }

  /// So many hexadecimal digits of a module's digest are in the name of its memory file.
  private static let nameDigits = 16

  private static func seal(
    _ bytes: [UInt8], digest: SHA256Digest, slot: String
  ) throws(Refusal) -> SealedMemoryFile {
    // In maps and profiles two versions for one slot are two files.
    let file = try sealedFile(bytes, "hitless:\(slot):\(digest.hex.prefix(nameDigits))")
    let found: SHA256Digest
    do throws(SystemError) {
      found = SHA256Digest(of: try file.contents())
    } catch {
      throw error.refusal
    }
    guard found == digest else {
      throw Refusal(
        .race, "the sealed bytes are not the ones that were verified", expected: digest.hex,
        found: found.hex, at: slot)
    }
    return file
  }

  private static func sealedFile(
    _ bytes: [UInt8], _ name: String
  ) throws(Refusal) -> SealedMemoryFile {
    do throws(SystemError) {
      return try SealedMemoryFile.seal(bytes, name: name)
    } catch {
      throw error.refusal
    }
  }
}

/// A sealed module that was mapped and tested in a process of its own.
struct ProbedModule: ~Copyable {
  /// What was tested.
  let sealed: SealedModule

  init(_ sealed: consuming SealedModule, by probe: ModuleProbe) throws(Refusal) {
    try probe.run(
      sealed.file.descriptor, expecting: sealed.expectation, name: sealed.facts.name)
    self.sealed = sealed
  }
}
