internal import AgentControl
internal import Bytes
internal import Glibc
internal import HotSwap
internal import Platform
internal import Refusal

extension Agent {
  /// Every module that is mapped, and where, for tools that give names to addresses.
  func symbols() -> [String: CBOR] {
    [
      "process": .unsigned(UInt64(getpid())),
      "modules": .array(
        mappedModules().map { module, use in
          .named([
            "module": .text(module.name), "version": .text(module.version),
            "build_id": .bytes(module.buildID), "bias": .unsigned(module.bias),
            "use": .text(use), "mapping": module.mappingName.map { .text($0) } ?? .null,
          ])
        }),
    ]
  }

  /// The file of one mapped module, which is named by its build-id.
  func image(_ request: ControlRequest) throws(Refusal) -> [String: CBOR] {
    guard let buildID = request.arguments["build_id"]?.bytesValue else {
      throw Refusal(.usage, "'image' needs a build-id")
    }
    guard let found = mappedModules().first(where: { $0.0.buildID == buildID }) else {
      throw Refusal(.state, "no mapped module has the build-id \(buildID.hex)")
    }
    return ["build_id": .bytes(buildID), "file": .bytes(try found.0.fileBytes())]
  }

  /// Each module once, by the first use of it: in force, on trial, to go back to, or kept.
  private func mappedModules() -> [(MappedModule, String)] {
    let (running, transaction) = state.withLock { ($0.running, $0.transaction) }
    guard let running else { return [] }
    var generations = [(running.stable, "stable")]
    if let transaction {
      let use = transaction.state == .active ? "candidate" : transaction.state.name
      generations.append((transaction.generation, use))
    }
    if let fallback = running.fallback { generations.append((fallback.generation, "fallback")) }
    generations += running.retired.map { ($0, "kept") }
    var known = Set<ObjectIdentifier>()
    return generations.flatMap { generation, use in
      generation.modules.filter { known.insert(ObjectIdentifier($0)).inserted }.map { ($0, use) }
    }
  }
}
