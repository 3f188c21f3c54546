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
      already is left as it is.

      Examples:
        hitless agent symbols
        gdb -p PID -x ~/.debug/hitless/PID.gdb
        hitless agent symbols --directory /var/tmp/symbols
        perf --buildid-dir /var/tmp/symbols report
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
          "modules": .array(
            modules.map {
              .named([
                "module": .text($0.name), "version": .text($0.version),
                "build_id": .bytes($0.buildID), "bias": .unsigned($0.bias), "use": .text($0.use),
                "file": .text(cache.file(of: $0)),
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
  }
}
