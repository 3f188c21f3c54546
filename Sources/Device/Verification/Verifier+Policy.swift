internal import Bytes
internal import Digests
internal import PatchFormat
internal import Refusal

/// Whether a patch that is genuine is also meant for this host, now (docs/format.md, section 6.5).
///
/// Each check returns the line that says so, or nil when it had no fact to check against.
extension Verifier {
  static func policyLines(
    _ manifest: Manifest, identity: SHA256Digest, facts: VerificationFacts
  ) throws(Refusal) -> [String] {
    var lines: [String?] = []
    try lines.append(checkRelease(manifest))
    try lines.append(checkProduct(manifest, facts.product))
    try lines.append(checkValidity(manifest, facts))
    try lines.append(checkSequence(manifest, identity, facts))
    try lines.append(checkMachine(manifest, facts.machine))
    try lines.append(checkInterfaces(manifest, facts.interfaces))
    try lines.append(checkBases(manifest, facts.inForce))
    try lines.append(checkPrerequisites(manifest, facts.inForce))
    return lines.compactMap(\.self)
  }

  /// One patch is one release for one machine.
  private static func checkRelease(_ manifest: Manifest) throws(Refusal) -> String? {
    guard let first = manifest.components.first?.machine else { return nil }
    for component in manifest.components where component.machine != first {
      throw Refusal(
        .mixed, "the modules of this patch are for different machines",
        expected: describe(first), found: describe(component.machine), at: component.module)
    }
    return "release: \(manifest.release), one machine in all components"
  }

  private static func checkProduct(
    _ manifest: Manifest, _ product: String?
  ) throws(Refusal) -> String? {
    guard let product else { return nil }
    guard manifest.product == product else {
      throw Refusal(
        .notForTarget, "the patch is for another product", expected: product,
        found: manifest.product)
    }
    return "product: \(product)"
  }

  private static func checkValidity(
    _ manifest: Manifest, _ facts: VerificationFacts
  ) throws(Refusal) -> String? {
    guard let now = facts.now else { return nil }
    let floor = max(facts.clockFloor, earliestClock)
    guard now >= floor else {
      throw Refusal(
        .expired, "the clock is not plausible", expected: "\(floor) or later", found: "\(now)",
        hint: "set the clock; it was later than this before")
    }
    if let notBefore = manifest.notBefore, now < notBefore {
      throw Refusal(
        .expired, "the patch is not valid yet", expected: "\(notBefore) or later",
        found: "\(now)")
    }
    if let notAfter = manifest.notAfter, now > notAfter {
      throw Refusal(
        .expired, "the patch is no longer valid", expected: "\(notAfter) or earlier",
        found: "\(now)", hint: "ask the vendor for a newer patch")
    }
    return "validity: \(now) is from \(manifest.notBefore.map { "\($0)" } ?? "any time")"
      + " to \(manifest.notAfter.map { "\($0)" } ?? "any time")"
  }

  private static func checkSequence(
    _ manifest: Manifest, _ identity: SHA256Digest, _ facts: VerificationFacts
  ) throws(Refusal) -> String? {
    guard let accepted = facts.accepted else { return nil }
    let found = manifest.sequence
    guard found >= facts.sequenceFloor else {
      throw Refusal(
        .rollback, "the sequence number is below the floor of this host",
        expected: "\(facts.sequenceFloor) or more", found: "\(found)")
    }
    var newest = facts.sequenceFloor
    for component in manifest.components {
      let key = SequenceKey(product: manifest.product, module: component.module)
      guard let last = accepted[key] else { continue }
      newest = max(newest, last.sequence)
      guard found != last.sequence || identity == last.identity else {
        throw Refusal(
          .mixed, "another patch with this sequence number was accepted before",
          expected: last.identity.hex, found: identity.hex, at: component.module,
          hint: "the vendor signed two patches under one number: ask which one is right")
      }
      let isRepeated = found == last.sequence && identity == facts.repeatable
      guard found > last.sequence || isRepeated else {
        throw Refusal(
          .rollback, "the patch is not newer than what was accepted before",
          expected: "more than \(last.sequence)", found: "\(found)", at: component.module)
      }
    }
    guard found - newest <= sequenceJumpLimit else {
      throw Refusal(
        .rollback, "the sequence number is too far ahead",
        expected: "\(newest.addingReportingOverflow(sequenceJumpLimit).partialValue) or less",
        found: "\(found)")
    }
    return "sequence: \(found) is newer than \(newest)"
  }

  private static func checkMachine(
    _ manifest: Manifest, _ machine: Component.Machine?
  ) throws(Refusal) -> String? {
    guard let machine else { return nil }
    for component in manifest.components where component.machine != machine {
      throw Refusal(
        .notForTarget, "the module is for another machine", expected: describe(machine),
        found: describe(component.machine), at: component.module)
    }
    return "machine: \(describe(machine))"
  }

  private static func checkInterfaces(
    _ manifest: Manifest, _ interfaces: Set<Component.Interface>?
  ) throws(Refusal) -> String? {
    guard let interfaces else { return nil }
    for component in manifest.components where !interfaces.contains(component.interface) {
      let versions = interfaces.filter { $0.id == component.interface.id }.map(\.version).sorted()
      throw Refusal(
        .notForTarget, "no slot of this host has the interface of the module",
        expected: versions.isEmpty
          ? "one of \(interfaces.map(\.id).sorted())"
          : "interface \(component.interface.id) version \(versions)",
        found: "interface \(component.interface.id) version \(component.interface.version)",
        at: component.module)
    }
    return "interface: a slot for every module"
  }

  private static func checkBases(
    _ manifest: Manifest, _ inForce: [String: Component.Image]?
  ) throws(Refusal) -> String? {
    guard let inForce else { return nil }
    for component in manifest.components {
      guard let image = inForce[component.module] else {
        throw Refusal(
          .wrongBase, "no module of this name is in force", expected: component.base.digest.hex,
          at: component.module)
      }
      guard image == component.base else {
        throw Refusal(
          .wrongBase, "the module in force is not the base of this patch",
          expected: "\(component.base.digest.hex), build-id \(component.base.buildID.hex)",
          found: "\(image.digest.hex), build-id \(image.buildID.hex)", at: component.module)
      }
    }
    return "base: every base is the module in force"
  }

  private static func checkPrerequisites(
    _ manifest: Manifest, _ inForce: [String: Component.Image]?
  ) throws(Refusal) -> String? {
    guard let inForce, !manifest.prerequisites.isEmpty else { return nil }
    let present = Set(inForce.values.map(\.buildID))
    for buildID in manifest.prerequisites where !present.contains(buildID) {
      throw Refusal(
        .mixed, "a module that this patch needs is not in force",
        expected: "build-id \(buildID.hex)", hint: "apply the patch that brings it first")
    }
    return "prerequisites: \(manifest.prerequisites.count) build-ids are in force"
  }

  private static func describe(_ machine: Component.Machine) -> String {
    "e_machine \(machine.machine), e_flags 0x\(String(machine.flags, radix: 16))"
  }
}
