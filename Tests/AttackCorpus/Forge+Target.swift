internal import Bytes
internal import Digests
internal import PatchFormat
internal import Refusal

/// Another build of the module, to be the target of a patch in place of the honest one.
package struct ForgedTarget: Sendable {
  let bytes: [UInt8]
  let buildID: [UInt8]

  /// Takes over an image and the build-id in it.
  package init(_ bytes: [UInt8], buildID: [UInt8]) {
    self.bytes = bytes
    self.buildID = buildID
  }
}

/// Genuine patches for another host: signed by the trusted key, whole, and not meant for this one.
extension Forge {
  /// What a manifest says about the host that the patch is for: key 3 and key 5 of a component.
  private struct Destination {
    var interface: [UInt64]
    var machine: [UInt64]
  }

  private var here: Destination {
    Destination(
      interface: [UInt64(component.interface.id), UInt64(component.interface.version)],
      machine: [UInt64(component.machine.machine), UInt64(component.machine.flags)])
  }

  /// Another processor, or another ABI of this one.
  ///
  /// What the manifest says counts before anything is rebuilt, and what the module's own header says
  /// counts before anything is mapped.
  package func machineCases() throws -> [AttackCase] {
    let flagged = changing(target, at: 48, to: 1)
    let foreign = changing(target, at: 18, to: component.machine.machine == 183 ? 62 : 183)
    var cases: [AttackCase] = []
    for machine in [0, 3, 40, 62, 183, 243, 258, 0xffff] as [UInt64]
    where machine != here.machine[0] {
      cases.append(
        AttackCase(
          "a patch for e_machine \(machine)", try file(machine: [machine, 0]), .notForTarget))
    }
    cases += [
      AttackCase(
        "a patch for another ABI of this processor",
        try file(machine: [here.machine[0], here.machine[1] ^ 1]), .notForTarget),
      AttackCase(
        "a module that was built for another ABI, and says so",
        try patch(to: flagged, machine: [here.machine[0], here.machine[1] ^ 1]), .notForTarget),
      AttackCase("a module of another ABI, passed off as ours", try patch(to: flagged), .badELF),
      AttackCase(
        "a module of another processor, passed off as ours", try patch(to: foreign), .badELF),
      AttackCase(
        "a machine of 17 bits", try file(machine: [1 << 16 | here.machine[0], 0]), .format),
      AttackCase("modules for two machines in one patch", try fileForTwoMachines(), .mixed),
    ]
    return cases
  }

  /// A module that fits no slot of the host.
  ///
  /// `id` and `version` are builds for an interface whose number is 0x100 higher, and for the next version.
  package func interfaceCases(
    id: ForgedTarget, version: ForgedTarget
  ) throws -> [AttackCase] {
    let (number, edition) = (here.interface[0], here.interface[1])
    return [
      AttackCase(
        "a patch for another interface", try file(interface: [number + 0x100, edition]),
        .notForTarget),
      AttackCase(
        "a patch for a later version of the interface", try file(interface: [number, edition + 1]),
        .notForTarget),
      AttackCase(
        "a patch for an earlier version of the interface",
        try file(interface: [number, edition - 1]), .notForTarget),
      AttackCase(
        "a module that was built for another interface, and says so",
        try patch(to: id, interface: [number + 0x100, edition]), .notForTarget),
      AttackCase(
        "a module that was built for another version, and says so",
        try patch(to: version, interface: [number, edition + 1]), .notForTarget),
      AttackCase(
        "a module of another interface, passed off as fitting", try patch(to: id), .badELF),
      AttackCase(
        "a module of another version, passed off as fitting", try patch(to: version), .badELF),
      AttackCase(
        "an interface of 33 bits", try file(interface: [1 << 32 | number, edition]), .format),
    ]
  }

  /// A target that no loader may see: `offenders` are builds with something a module may not have.
  package func moduleCases(offenders: [(name: String, target: ForgedTarget)]) throws -> [AttackCase]
  {
    var cases = try offenders.map {
      AttackCase("a target with \($0.name)", try patch(to: $0.target), .badELF)
    }
    let buildID = component.target.buildID
    for (name, bytes) in [
      ("a script", Array("#!/bin/sh\nexit 0\n".utf8)), ("one byte", [0x7f]),
      ("zeros", [UInt8](repeating: 0, count: target.count)),
    ] {
      cases.append(
        AttackCase(
          "a target that is \(name)", try patch(to: ForgedTarget(bytes, buildID: buildID)), .badELF)
      )
    }
    // Mapping such a file succeeds; the first access to what is missing ends the process.
    for eighth in 1...7 {
      let part = ForgedTarget(Array(target.prefix(target.count * eighth / 8)), buildID: buildID)
      cases.append(
        AttackCase("a target cut after \(eighth) eighths", try patch(to: part), .badELF))
    }
    return cases
  }

  /// A signed file that names another destination.
  private func file(interface: [UInt64]? = nil, machine: [UInt64]? = nil) throws -> [UInt8] {
    var changed = try componentFields
    changed[3] = .array((interface ?? here.interface).map { .unsigned($0) })
    changed[5] = .array((machine ?? here.machine).map { .unsigned($0) })
    return try file(replacing: 10, with: .array([Self.map(changed)]))
  }

  /// A signed file that yields another target, and describes all else of it truthfully.
  package func patch(
    to target: ForgedTarget, interface: [UInt64]? = nil, machine: [UInt64]? = nil
  ) throws -> [UInt8] {
    let delta = stored(target.bytes)
    let size = UInt64(target.bytes.count)
    var changed = try componentFields
    changed[3] = .array((interface ?? here.interface).map { .unsigned($0) })
    changed[5] = .array((machine ?? here.machine).map { .unsigned($0) })
    changed[7] = .array([
      .bytes(SHA256Digest(of: target.bytes).bytes), .unsigned(size), .bytes(target.buildID),
    ])
    changed[8] = .array([
      .unsigned(0), .unsigned(UInt64(delta.count)), .bytes(SHA256Digest(of: delta).bytes),
      .unsigned(size),
    ])
    var all = try fields
    all[10] = .array([Self.map(changed)])
    return try file(payload: Self.map(all).encoded, blobs: [delta])
  }

  private func fileForTwoMachines() throws -> [UInt8] {
    var another = try componentFields
    another[2] = .text("another")
    another[5] = .array([.unsigned(here.machine[0] ^ 1), .unsigned(0)])
    var all = try fields
    all[10] = .array([Self.map(another), Self.map(try componentFields)])
    return try file(payload: Self.map(all).encoded, blobs: [delta, delta])
  }

  /// The honest target with one byte of its file header changed; its build-id is elsewhere.
  private func changing(_ image: [UInt8], at offset: Int, to value: UInt8) -> ForgedTarget {
    ForgedTarget(
      replacing(image, at: offset, [value]), buildID: component.target.buildID)
  }
}
