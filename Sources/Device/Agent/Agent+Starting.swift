internal import AgentControl
internal import Bytes
internal import Digests
internal import ElfImage
internal import Guard
internal import HotSwap
internal import Journal
internal import PatchFormat
internal import Platform
package import Refusal
internal import Staging

/// Keeps the control server where copies of the state can share it.
final class ControlServerBox: Sendable {
  private let server: ControlServer

  init(_ server: ControlServer) { self.server = server }

  func stop() { server.stop() }
}

extension Agent {
  /// Stages a module for every slot, puts the first generation in force, opens the control socket.
  ///
  /// A slot's module is the confirmed one, or the file it was defined with when none was confirmed yet.
  package func start() throws(Refusal) {
    var server: ControlServerBox?
    do throws(Refusal) {
      try startAlone(&server)
    } catch {
      // Who has connected may wait for the operation to end, so that is over first.
      server?.stop()
      throw error
    }
  }

  private func startAlone(_ server: inout ControlServerBox?) throws(Refusal) {
    try exclusively("start") { () throws(Refusal) in
      let slots = try state.withLock { (state) throws(Refusal) in
        guard state.running == nil else { throw Refusal(.state, "the agent has started already") }
        guard !state.slots.isEmpty else { throw Refusal(.state, "the host has defined no slot") }
        return state.slots
      }
      judgeLastRun()
      // A start that is refused is no death of the set.
      defer {
        if state.withLock({ $0.running == nil }) {
          try? journal.abandonRun()
          // With the domain goes the thread that answers for faults in it.
          state.withLock { $0.isAnswering = false }
        }
      }
      let domain = SwapDomain(slotCount: slots.count, room: try GuardRoom(options.guarding))
      let modules = try firstModules(slots, domain)
      let (running, publication) = try putInForce(modules, slots, domain, &server)
      state.withLock {
        $0.running = running
        $0.metrics.notePublication(publication.sequence, at: publication.startNanoseconds)
      }
      startGoldenCheck()
      // A full disk must not keep a host from starting.
      note(
        "started", 0, describe(modules),
        [("confirmed", .unsigned(journal.confirmed.number)), ("modules", json(modules))])
    }
  }

  /// Puts the first modules in force, and opens the control socket; if anything of this fails, no module stays
  /// mapped.
  ///
  /// The view comes last: what is in none can be let go of at once.
  private func putInForce(
    _ modules: [StagedModule], _ slots: [SlotOptions], _ domain: SwapDomain,
    _ server: inout ControlServerBox?
  ) throws(Refusal) -> (Running, Publication) {
    var stable: Generation?
    var fallback: Fallback?
    do throws(Refusal) {
      try defineStates(in: domain, for: modules)
      let generation = try domain.makeGeneration(modules.map(\.module))
      stable = generation
      fallback = setBefore(modules, slots, domain)
      server = try controlServer()
      let publication = try publish(stable: generation, above: fallback, in: domain)
      let running = Running(
        domain: domain, stable: generation, modules: modules, fallback: fallback,
        retired: fallback.map { [$0.generation] } ?? [], server: server)
      return (running, publication)
    } catch {
      for generation in [stable, fallback?.generation] {
        if let generation { try? domain.release(generation) }
      }
      // Those that both sets have are unmapped once.
      for module in modules + (fallback?.modules ?? []) { try? domain.unload(module.module) }
      throw error
    }
  }

  private func controlServer() throws(Refusal) -> ControlServerBox? {
    guard let path = options.controlSocket else { return nil }
    let server = try ControlServer(path: path, threads: options.threads) {
      [weak self] refusal, peer in
      self?.noteRefusal(of: "connection of user \(peer.user)", 0, refusal)
    } handler: { [weak self] request, peer, stream in
      self?.answer(request, peer, stream)
    }
    return ControlServerBox(server)
  }

  /// All of the first modules, or none stays mapped.
  private func firstModules(
    _ slots: [SlotOptions], _ domain: SwapDomain
  ) throws(Refusal) -> [StagedModule] {
    let confirmed = journal.confirmed
    var modules: [StagedModule] = []
    do throws(Refusal) {
      for slot in slots {
        let module = try firstModule(of: slot, confirmed, domain)
        modules.append(module)
        // Patches name modules: two of one name could not be told apart.
        for other in modules.dropLast() where other.facts.name == module.facts.name {
          throw Refusal(
            .state, "slots '\(other.slot)' and '\(module.slot)' are filled by modules of one name",
            found: module.facts.name)
        }
      }
    } catch {
      for module in modules { try? domain.unload(module.module) }
      throw error
    }
    return modules
  }

  /// Maps the set before the confirmed one, for a guard that stays on; nil where nobody would go back to it.
  ///
  /// Where it cannot be mapped any more, or cannot read the records, the start goes on without it, and says so.
  private func setBefore(
    _ modules: [StagedModule], _ slots: [SlotOptions], _ domain: SwapDomain
  ) -> Fallback? {
    let confirmed = journal.confirmed
    guard options.guarding.mode == .always, let before = confirmed.fallback else { return nil }
    var staged: [StagedModule] = []
    do throws(Refusal) {
      let all = try zip(slots, modules).map { (slot, current) throws(Refusal) in
        let name = slot.requirement.name
        if before.modules[name] == confirmed.modules[name] { return current }
        let module = try firstModule(of: slot, before, domain)
        staged.append(module)
        for state in module.facts.states where !current.facts.states.contains(state) {
          throw Refusal(
            .notForTarget, "'\(module.facts.name)' uses records in a layout that is gone", at: name)
        }
        return module
      }
      try beginGuarding(in: domain)
      return Fallback(
        generation: try domain.makeGeneration(all.map(\.module)), modules: all)
    } catch {
      for module in staged { try? domain.unload(module.module) }
      note("unguarded", 0, "confirmed code is not guarded: the set before it: \(error)")
      return nil
    }
  }

  private func firstModule(
    of slot: SlotOptions, _ confirmed: ConfirmedSet, _ domain: SwapDomain
  ) throws(Refusal) -> StagedModule {
    let requirement = slot.requirement
    guard let digest = confirmed.modules[requirement.name] else {
      return try stager.stage(
        file: slot.module, for: requirement, control: slot.control, in: domain)
    }
    guard let bytes = try journal.object(digest) else {
      throw Refusal(
        .state, "the confirmed module of slot '\(requirement.name)' is missing from the store",
        expected: digest.hex, at: options.stateDirectory,
        hint: "restore the state directory, or remove it to start from the modules on disk")
    }
    return try stager.stage(bytes, for: requirement, control: slot.control, in: domain)
  }

  func describe(_ modules: [StagedModule]) -> String {
    modules.map { "\($0.slot) = \($0.facts.name) \($0.facts.version)" }.joined(separator: ", ")
  }

  func json(_ modules: [StagedModule]) -> JSON {
    .array(
      modules.map {
        .object([
          ("slot", .string($0.slot)), ("module", .string($0.facts.name)),
          ("version", .string("\($0.facts.version)")),
          ("build_id", .string($0.image.buildID.hex)), ("sha256", .string($0.image.digest.hex)),
        ])
      })
  }
}
