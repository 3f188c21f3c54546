internal import ArgumentParser
internal import Bytes
internal import ElfImage
internal import Refusal

/// Says whether a host could load a module, and what to change if not.
struct LintCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "lint",
    abstract: "Check that a module can be swapped into a running host.",
    discussion: """
      Judges segments, dynamic tags and symbols, as the loader sees them, without loading anything. \
      Each violation is named with its rule, the segment or symbol, and the flag or change that \
      mends it. The agent makes the same check before it maps a module.

      Examples:
        hitless lint qer-1.0.1.so
        hitless lint filter.so --allow-import rte_hash_lookup --json
      """)

  @Argument(help: "The module.")
  var file: String

  @Option(
    name: .customLong("allow-import"),
    help: ArgumentHelp(
      "A symbol that the host offers to its modules; may be repeated.", valueName: "symbol"))
  var allowedImports: [String] = []

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    let bytes = try Inputs.image(file)
    let policy = LoadabilityPolicy.standard.allowing(imports: allowedImports)
    if !json {
      let found = LoadabilityLint.violations(ofFile: bytes, policy: policy)
      for (index, violation) in found.enumerated() {
        try Console.print("violation: \(violation)")
        // One advice for a run of violations of the same kind.
        if index + 1 < found.count && found[index + 1].rule == violation.rule { continue }
        try Console.print("  mend it: \(violation.mend)")
      }
    }
    // Throws the refusal that carries the violations; so `--json` prints the object the agent logs.
    let image = try LoadabilityLint.check(bytes, policy: policy, name: "'\(file)'")
    if json {
      try Console.print(image.lintSummary)
    } else if let facts = image.moduleFacts, let buildID = image.buildID {
      try Console.print("loadable: \(facts.name) \(facts.version), build-id \(buildID.hex)")
    }
  }
}

extension ElfImage {
  /// What a clean module is.
  fileprivate var lintSummary: JSON {
    .object([
      ("loadable", .bool(true)), ("violations", .array([])),
      ("machine", .string(header.machine.name)), ("fileSize", .integer(Int64(bytes.count))),
      ("buildID", .string(buildID?.hex ?? "")), ("module", moduleFacts?.json ?? .null),
    ])
  }
}

extension ModuleFacts {
  fileprivate var json: JSON {
    .object([
      ("name", .string(name)), ("version", .string("\(version)")),
      ("abiVersion", .unsigned(UInt64(abiVersion))),
      ("interface", .string("0x\(String(interfaceID, radix: 16))")),
      ("interfaceVersion", .unsigned(UInt64(interfaceVersion))),
      ("tableSize", .unsigned(UInt64(tableSize))),
      (
        "states",
        .array(
          states.map { state in
            .object([
              ("id", .string("0x\(String(state.id, radix: 16))")),
              ("size", .unsigned(UInt64(state.size))),
            ])
          })
      ),
    ])
  }
}
