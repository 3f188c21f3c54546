internal import Bytes
internal import DeltaModel
internal import Digests
internal import PatchFormat

/// A manifest for people and scripts; whether it may be believed, the caller says.
extension Manifest {
  /// One line: what it is, for whom, and what it takes.
  var summary: String {
    let modules = components.map(\.module).joined(separator: ", ")
    return "\(product) \(release), sequence \(sequence), class \(upgradeClass.name): \(modules)"
  }

  /// The manifest in lines, one fact each.
  var lines: [String] {
    var lines = [
      "product      \(product)", "release      \(release)", "sequence     \(sequence)",
      "class        \(upgradeClass.name)",
    ]
    if let notBefore { lines.append("not before   \(UTCTime(seconds: notBefore))") }
    if let notAfter { lines.append("not after    \(UTCTime(seconds: notAfter))") }
    if !resolves.isEmpty { lines.append("resolves     \(resolves.joined(separator: ", "))") }
    for id in prerequisites { lines.append("needs        build-id \(id.hex)") }
    if let documents { lines.append("documents    \(documents.hex)") }
    return lines + components.flatMap(\.lines)
  }

  /// The manifest with stable names.
  var json: JSON {
    .object([
      ("product", .string(product)), ("release", .string(release)),
      ("sequence", .unsigned(sequence)), ("class", .string(upgradeClass.name)),
      ("notBefore", notBefore.map { .unsigned($0) } ?? .null),
      ("notAfter", notAfter.map { .unsigned($0) } ?? .null),
      ("resolves", .array(resolves.map { .string($0) })),
      ("prerequisites", .array(prerequisites.map { .string($0.hex) })),
      ("documents", documents.map { .string($0.hex) } ?? .null),
      ("components", .array(components.map(\.json))),
    ])
  }
}

extension Component {
  fileprivate var lines: [String] {
    let states = states.map {
      "0x\(String($0.id, radix: 16)), \($0.size) bytes"
    }.joined(separator: "; ")
    return [
      "module       \(module)",
      "  interface  0x\(String(interface.id, radix: 16)), version \(interface.version)",
      "  class      \(upgradeClass.name)",
      "  machine    \(machine.name)",
      "  base       \(base.line)", "  target     \(target.line)",
      "  delta      codec \(delta.codec) (\(delta.mode)), \(delta.size) bytes, \(delta.digest.hex)",
      "  memory     \(delta.memory) bytes to decode",
    ] + (states.isEmpty ? [] : ["  states     \(states)"])
  }

  fileprivate var json: JSON {
    .object([
      ("module", .string(module)),
      (
        "interface",
        .object([
          ("id", .unsigned(UInt64(interface.id))),
          ("version", .unsigned(UInt64(interface.version))),
        ])
      ),
      ("class", .string(upgradeClass.name)), ("machine", .string(machine.name)),
      ("base", base.json), ("target", target.json),
      (
        "delta",
        .object([
          ("codec", .unsigned(UInt64(delta.codec))), ("mode", .string(delta.mode)),
          ("size", .unsigned(delta.size)),
          ("sha256", .string(delta.digest.hex)), ("memory", .unsigned(delta.memory)),
        ])
      ),
      (
        "states",
        .array(
          states.map {
            .object([
              ("id", .unsigned(UInt64($0.id))), ("size", .unsigned(UInt64($0.size))),
              ("migratesFrom", $0.migratesFrom.map { .unsigned(UInt64($0)) } ?? .null),
            ])
          })
      ),
    ])
  }
}

extension Component.Image {
  fileprivate var line: String { "\(digest.hex), \(size) bytes, build-id \(buildID.hex)" }

  fileprivate var json: JSON {
    .object([
      ("sha256", .string(digest.hex)), ("size", .unsigned(size)), ("buildID", .string(buildID.hex)),
    ])
  }
}

extension Component.Machine {
  /// The machine by its usual name, where it has one.
  var name: String {
    let known: [UInt16: String] = [
      62: "x86-64", 183: "aarch64", 243: "riscv64", 258: "loongarch64",
    ]
    let name = known[machine] ?? "e_machine \(machine)"
    return flags == 0 ? name : "\(name) with e_flags 0x\(String(flags, radix: 16))"
  }
}

extension Component.Delta {
  /// The name of the mode that its codec number stands for.
  fileprivate var mode: String { DeltaMode(rawValue: codec)?.name ?? "unknown" }
}
