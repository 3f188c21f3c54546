internal import Bytes
internal import ElfImage
package import HotSwap
internal import Platform
internal import PatchFormat
package import Refusal
internal import Staging

/// The host's records: which tables there are, and in which schema.
extension Agent {
  /// Names a table of the host's records, before the start; its number is what `hitless_state_use` takes.
  package func defineStates(_ table: StateDefinition) throws(Refusal) -> UInt32 {
    guard PlainName.isValid(table.name.utf8) else {
      throw Refusal(
        .path, "a state table may not be called '\(table.name)'", expected: PlainName.rule)
    }
    return try state.withLock { (state) throws(Refusal) in
      guard state.running == nil else {
        throw Refusal(.state, "state tables are defined before the agent starts")
      }
      guard state.stateTables.count < Self.stateTableLimit else {
        throw Refusal(.limit, "there are \(Self.stateTableLimit) state tables at most")
      }
      let known = state.stateTables.flatMap { $0.schemas.map(\.id) }
      for other in state.stateTables where other.name == table.name {
        throw Refusal(.state, "state table '\(table.name)' is defined already")
      }
      for schema in table.schemas where known.contains(schema.id) {
        throw Refusal(
          .state, "two state tables have schema 0x\(String(schema.id, radix: 16))",
          hint: "by its schema a module says which table it means")
      }
      state.stateTables.append(table)
      return UInt32(state.stateTables.count - 1)
    }
  }

  /// `HITLESS_TABLES_MAX`.
  static let stateTableLimit = 16

  /// Fills a record with zeros, wherever it lies; no worker may be using it.
  package func clearState(table: UInt32, record: UInt64) throws(Refusal) {
    try domain().clearState(table: Int(table), record: record)
  }

  /// Gives the domain the host's tables, with records as the first modules read them.
  func defineStates(in domain: SwapDomain, for modules: [StagedModule]) throws(Refusal) {
    let tables = state.withLock { $0.stateTables }
    var chosen: [(StateDefinition, StateDefinition.Schema)] = []
    for table in tables {
      let used = try Self.schemas(of: table, in: modules)
      chosen.append((table, used ?? table.schemas[0]))
    }
    try domain.defineStates(chosen)
  }

  /// What `modules` use of a table; nil when none uses it.
  ///
  /// Throws when they do not agree, or name another size.
  private static func schemas(
    of table: StateDefinition, in modules: [StagedModule]
  ) throws(Refusal) -> StateDefinition.Schema? {
    var found: (StateDefinition.Schema, String)?
    for module in modules {
      for state in module.facts.states {
        let schema = StateDefinition.Schema(id: state.id, size: state.size)
        guard let known = table.schemas.first(where: { $0.id == schema.id }) else { continue }
        guard known == schema else {
          throw Refusal(
            .notForTarget, "module '\(module.facts.name)' has records of another size",
            expected: "\(known)", found: "\(schema)", at: table.name)
        }
        if let (other, name) = found, other != schema {
          throw Refusal(
            .notForTarget,
            "modules '\(name)' and '\(module.facts.name)' want different layouts of one record",
            expected: "\(other)", found: "\(schema)", at: table.name,
            hint: "modules that share records change together, in one patch")
        }
        found = (schema, module.facts.name)
      }
    }
    return found?.0
  }

  /// Whether nothing in force uses a table: it is a side area for the candidate that names it first.
  private func isSide(table: Int, in running: Running) -> Bool {
    guard let schema = running.domain.states?.settledSchemas[table] else { return false }
    return !running.modules.contains { module in
      module.facts.states.contains { $0.id == schema.id }
    }
  }

  /// The tables that only the candidate uses.
  func sideTables(of transaction: Transaction, _ running: Running) -> [Int] {
    let wanted = Set(transaction.modules.flatMap { $0.facts.states.map(\.id) })
    let schemas = running.domain.states?.settledSchemas ?? []
    return schemas.indices.filter {
      isSide(table: $0, in: running) && wanted.contains(schemas[$0].id)
    }
  }

  /// Empties what only the candidate uses: an earlier trial may have left something there, which has missed what
  /// happened since.
  ///
  /// Waits for a grace period with nothing of the candidate's in force, so that no batch uses it any more.
  func beginSideAreas(_ transaction: Transaction, _ running: Running) throws(Refusal) {
    let domain = running.domain
    let sides = sideTables(of: transaction, running)
    guard !sides.isEmpty else { return }
    let publication = try publish(stable: running.stable, above: running.fallback, in: domain)
    guard case .passed = domain.waitForGrace(publication, timeout: options.graceTimeout) else {
      throw Refusal(
        .busy, "a worker has not taken up its view in time: it may be using the side area",
        hint: "'hitless agent list' names the workers; try again when they run")
    }
    for table in sides { domain.clearStates(table: table) }
  }

  /// What a candidate changes about the host's records; throws when the host has no room for it.
  func stateChanges(
    to modules: [StagedModule], _ running: Running
  ) throws(Refusal) -> [Migration.Change] {
    let tables = state.withLock { $0.stateTables }
    var changes: [Migration.Change] = []
    for (index, module) in modules.enumerated() {
      let old = running.modules[index]
      for state in module.facts.states where !old.facts.states.contains(state) {
        let schema = StateDefinition.Schema(id: state.id, size: state.size)
        let number = tables.firstIndex { $0.schemas.contains { $0.id == schema.id } }
        guard let number, let current = running.domain.states?.settledSchemas[number] else {
          throw Refusal(
            .notForTarget,
            "the host has no state table for records of module '\(module.facts.name)'",
            found: "\(schema)", at: module.slot,
            hint: "it names the schemas that it has room for when it defines a table")
        }
        if current == schema, isSide(table: number, in: running),
          old.facts.states.allSatisfy(module.facts.states.contains)
        {
          continue
        }
        guard old.facts.states.contains(where: { $0.id == current.id }) else {
          throw Refusal(
            .notForTarget, "module '\(module.facts.name)' has not used the records that it wants",
            expected: "\(current)", at: tables[number].name)
        }
        guard module.module.hasMigrate else {
          throw Refusal(
            .notForTarget, "module '\(module.facts.name)' cannot migrate records",
            found: "\(schema)", at: "hitless_module.migrate")
        }
        // Modules that share the records share their move; whether they agree is asked below.
        if changes.contains(where: { $0.table == number }) { continue }
        changes.append(Migration.Change(table: number, schema: schema, module: index))
      }
    }
    // Once for every table, whoever uses it.
    for table in tables { _ = try Self.schemas(of: table, in: modules) }
    return changes
  }
}
