internal import Bytes
internal import Compatibility
internal import Digests
internal import ElfImage
internal import Generator
internal import PatchFormat

/// What `hitless diff` tells about the patch it made.
extension BuiltPatch {
  /// The report for people.
  func lines(output: String) -> [String] {
    zip(manifest.components, parts).flatMap { $1.lines($0) } + [
      "wrote '\(output)': \(bytes.count) bytes, \(envelopeSize) of them envelope",
      "checked: verified, and applied to \(parts.count == 1 ? "its base" : "all bases"), in memory",
      "identity \(identity.hex)", manifest.summary,
    ]
  }

  /// The report for scripts.
  func json(output: String) -> JSON {
    .object([
      ("output", .string(output)), ("size", .integer(Int64(bytes.count))),
      ("envelopeSize", .integer(Int64(envelopeSize))), ("identity", .string(identity.hex)),
      ("class", .string(manifest.upgradeClass.name)),
      ("changes", .array(zip(manifest.components, parts).map { $1.json($0) })),
      ("manifest", manifest.json),
    ])
  }
}

extension BuiltPatch.Part {
  fileprivate func lines(_ component: Component) -> [String] {
    var lines = [
      "\(change.target.name) \(change.base.version) → \(change.target.version):"
        + " class \(component.upgradeClass.name)"
    ]
    lines += change.obstacles.map { "  needs a restart: \($0)" }
    lines += change.migrations.map { "  migrates records: \($0)" }
    lines += change.additions.map {
      "  keeps more records beside the others: schema \($0.id) of \($0.size) bytes"
    }
    if change.changesMarkedCode { lines.append("  changed: functions marked as patchable") }
    lines += change.unmarked.map {
      "  changed outside what is marked: \($0.name), \($0.baseSize) → \($0.targetSize) bytes"
    }
    lines.append(
      "  base \(component.base.size) bytes, target \(component.target.size) bytes,"
        + " delta \(component.delta.size) bytes (\(mode))")
    return lines
  }

  fileprivate func json(_ component: Component) -> JSON {
    .object([
      ("module", .string(component.module)), ("from", .string("\(change.base.version)")),
      ("to", .string("\(change.target.version)")),
      ("class", .string(component.upgradeClass.name)),
      ("obstacles", .array(change.obstacles.map { .string("\($0)") })),
      ("migrations", .array(change.migrations.map { .string("\($0)") })),
      (
        "additions",
        .array(
          change.additions.map {
            .object([
              ("schema", .unsigned(UInt64($0.id))), ("size", .unsigned(UInt64($0.size))),
            ])
          })
      ),
      ("changesMarkedCode", .bool(change.changesMarkedCode)),
      (
        "unmarked",
        .array(
          change.unmarked.map {
            .object([
              ("section", .string($0.name)), ("baseSize", .unsigned($0.baseSize)),
              ("targetSize", .unsigned($0.targetSize)),
            ])
          })
      ),
      ("baseSize", .unsigned(component.base.size)),
      ("targetSize", .unsigned(component.target.size)),
      ("deltaSize", .unsigned(component.delta.size)), ("mode", .string(mode)),
    ])
  }
}
