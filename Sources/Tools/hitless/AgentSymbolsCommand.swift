internal import AgentControl
internal import ArgumentParser
internal import Bytes
internal import Foundation
internal import Platform
internal import Refusal

/// Gives debuggers and profilers the files of live modules.
struct AgentSymbolsCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "symbols",
    abstract: "Write the live modules to the build-id cache, for perf and gdb.",
    discussion: """
      Modules are mapped from sealed memory files that have no name in the file system. This writes \
      each mapped one, also those that are only kept for a rollback, under its build-id, where perf \
      and gdb look, and a script that tells gdb where in the process each one lies. What is there \
      already is left as it is. perf has only the memory files' names; the last line says how to give \
      it their build-ids.

      Examples:
        hitless agent symbols
        gdb -p PID -x ~/.debug/hitless/PID.gdb
        hitless agent symbols --directory /var/tmp/symbols
        perf record -p PID -- sleep 10; perf inject --build-ids --known-build-ids='…' \
          -i perf.data -o named.data; perf --buildid-dir /var/tmp/symbols report -i named.data
        gdb -iex 'set debug-file-directory /var/tmp/symbols:/usr/lib/debug' UPF core
      """)

  @Option(
    help: ArgumentHelp(
      "Where the cache is (default: ~/.debug, where perf has it).", valueName: "directory"))
  var directory: String?
  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func run() throws {
    let client = try connect()
    let answer = try client.ask(ControlRequest("symbols"))
    let process = answer["process"]?.unsignedValue ?? 0
    let cache = BuildIDCache(directory ?? "\(NSHomeDirectory())/.debug")
    var modules: [LiveModule] = []
    for item in (answer["modules"]?.arrayValue ?? []).compactMap(\.namedValue) {
      let module = try LiveModule(item)
      try cache.add(module) { () throws(Refusal) in
        let arguments: [String: CBOR] = ["build_id": .bytes(module.buildID)]
        let image = try connect().ask(ControlRequest("image", arguments))
        guard let file = image["file"]?.bytesValue else {
          throw Refusal(.usage, "the agent has sent no file for build-id \(module.buildID.hex)")
        }
        return file
      }
      modules.append(module)
    }
    let script = try cache.writeScript(process: process, modules)
    try report(cache, modules, script)
  }

  private func report(
    _ cache: BuildIDCache, _ modules: [LiveModule], _ script: String
  ) throws(Refusal) {
    if json {
      return try Console.print(
        CBOR.named([
          "directory": .text(cache.directory), "gdb_script": .text(script),
          "known_build_ids": .text(knownBuildIDs(modules)),
          "modules": .array(
            modules.map {
              .named([
                "module": .text($0.name), "version": .text($0.version),
                "build_id": .bytes($0.buildID), "bias": .unsigned($0.bias), "use": .text($0.use),
                "file": .text(cache.file(of: $0)),
                "mapping": $0.mapping.map { .text($0) } ?? .null,
              ])
            }),
        ]).json)
    }
    for module in modules {
      try Console.print(
        "\(module.use): \(module.name) \(module.version), build-id \(module.buildID.hex): "
          + cache.file(of: module))
    }
    try Console.print("for gdb: \(script)")
    try Console.print(
      "for perf: perf inject --build-ids --known-build-ids='\(knownBuildIDs(modules))'")
  }

  /// What `perf inject` wants to be told: build-ids, and what the kernel calls the files that have them.
  private func knownBuildIDs(_ modules: [LiveModule]) -> String {
    modules.compactMap { module in module.mapping.map { "\(module.buildID.hex) \($0)" } }
      .joined(separator: ",")
  }
}

/// One module that a host has mapped, as its agent describes it.
struct LiveModule {
  let name: String
  let version: String
  let buildID: [UInt8]
  /// What is added to addresses of the file.
  let bias: UInt64
  let use: String
  /// What the kernel calls the memory file it is mapped from, if the agent knows.
  let mapping: String?

  /// Names become parts of paths, so what comes over the socket is not believed.
  init(_ item: [String: CBOR]) throws(Refusal) {
    guard let name = item["module"]?.textValue, PlainName.isValid(name.utf8),
      let version = item["version"]?.textValue, PlainName.isValid(version.utf8),
      let buildID = item["build_id"]?.bytesValue, (2...64).contains(buildID.count),
      let bias = item["bias"]?.unsignedValue
    else { throw Refusal(.usage, "the agent has described a module as nobody here understands") }
    self.name = name
    self.version = version
    self.buildID = buildID
    self.bias = bias
    use = item["use"]?.textValue ?? "mapped"
    mapping = item["mapping"]?.textValue.flatMap { Self.isPlain($0) ? $0 : nil }
  }

  /// Whether a name may stand between a shell's quotes and perf's commas.
  private static func isPlain(_ name: String) -> Bool {
    name.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f } && !name.contains { "',\\".contains($0) }
  }
}
