internal import CHitless
internal import Glibc
package import Guard
internal import Platform
package import Refusal

/// The workers of a host, the generations they may use, and the one word through which each finds its
/// own.
///
/// A swap is one store per worker; no worker is stopped, signalled or waited for by another. What was
/// put out of force stays as it is until a grace period has passed (docs/concurrency.md).
///
/// Threading: any thread but a worker's packet path, whose calls are in hitless/worker.h. Only
/// `waitForGrace` blocks, and it holds no lock while it does.
@safe
package final class SwapDomain: Sendable {
  /// How many slots a generation fills.
  package let slotCount: Int
  /// The guards of the workers; nil where none is guarded.
  package let room: GuardRoom?
  let poisonsRetiredMemory: Bool
  let state: Guarded<State>
  /// Held by who moves records between schemas.
  let sweeping = Guarded<SweepSeat?>(nil)

  /// Everything that changes; the words that workers read and write lie behind the records.
  struct State: ~Copyable {
    var views: ViewPool
    /// Registered workers: those that publications store to and grace periods wait for.
    var workers: [WorkerRecord] = []
    /// Records without a worker.
    var vacant: [WorkerRecord] = []
    /// Generations that may be published.
    var generations: [Generation] = []
    var generationCount: UInt64 = 0
    var workerCount: UInt32 = 0
    /// Records of workers that were ended because their threads had; nobody has unregistered them.
    var orphans: [WorkerRecord] = []
    /// Workers that were ended because their threads had, as long as nobody has asked for them.
    var ended: [WorkerReport] = []
    var endedCount: UInt64 = 0
  }

  /// Creates a domain without workers and with nothing in force.
  ///
  /// Workers get their guards from `room`. `poisonsRetiredMemory` fills views and generations that no
  /// worker may read any more with `poisonByte`: whoever reads them all the same is found out. For tests.
  package init(slotCount: Int, room: GuardRoom? = nil, poisonsRetiredMemory: Bool = false) {
    self.slotCount = slotCount
    self.room = room
    self.poisonsRetiredMemory = poisonsRetiredMemory
    state = Guarded(State(views: ViewPool(poisonsRetired: poisonsRetiredMemory)))
  }

  deinit {
    // The watchdog reads workers' records.
    room?.stop()
    state.withLock { state in
      guard state.workers.isEmpty else {
        if let room { _ = unsafe Unmanaged.passRetained(room) }
        // A worker that was never unregistered may still run: what it reads is left where it is.
        for generation in state.generations { _ = unsafe Unmanaged.passRetained(generation) }
        state.views.abandonShadows()
        return
      }
      state.views.deallocate()
      for record in state.vacant + state.orphans {
        unsafe free(record.pointer.pointee.health)
        unsafe free(record.pointer.pointee.claims)
        unsafe free(record.pointer)
      }
    }
  }
}

extension SwapDomain {
  /// Makes a generation of one module per slot, in the order of the slots.
  package func makeGeneration(_ modules: [MappedModule]) throws(Refusal) -> Generation {
    guard modules.count == slotCount else {
      throw Refusal(
        .state, "a generation needs one module per slot", expected: "\(slotCount)",
        found: "\(modules.count)")
    }
    return try state.withLock { (state) throws(Refusal) in
      for module in modules where !module.isUsable {
        throw Refusal(.state, "module '\(module.name)' is not attached, or not mapped any more")
      }
      let generation = Generation(
        number: state.generationCount + 1, modules: modules,
        poisonsRetiredMemory: poisonsRetiredMemory)
      guard let generation else {
        throw Refusal(.noSpace, "no memory for another generation")
      }
      state.generationCount += 1
      state.generations.append(generation)
      return generation
    }
  }

  /// Lets go of a generation that will not be published again; its modules stay mapped.
  ///
  /// Refused while a view that a worker may read names it: after a publication without it, that is
  /// until `waitForGrace` has passed.
  package func release(_ generation: Generation) throws(Refusal) {
    try state.withLock { (state) throws(Refusal) in
      guard !state.views.names(generation) else {
        throw Refusal(.state, "a worker may still use generation \(generation.number)")
      }
      guard let index = state.generations.firstIndex(where: { $0 === generation }) else {
        throw Refusal(.state, "generation \(generation.number) is not this domain's any more")
      }
      state.generations.remove(at: index)
    }
  }

  /// Detaches and unmaps a module that no live generation holds.
  ///
  /// Unmapping interrupts every processor that runs this process for some microseconds: do it when
  /// nothing is being swapped.
  package func unload(
    _ module: MappedModule, budget: UInt64 = MappedModule.defaultHookBudget
  ) throws(Refusal) {
    let evidence = try state.withLock { (state) throws(Refusal) in
      for generation in state.generations
      where generation.modules.contains(where: { $0 === module }) {
        throw Refusal(
          .state, "module '\(module.name)' is part of generation \(generation.number)",
          hint: "release the generation first")
      }
      // Under the lock, so that no generation can be made of the module meanwhile.
      return Unreachable(before: try module.withdraw())
    }
    try module.unmap(evidence, budget: budget)
  }

  /// How many generations are kept only because a worker has not passed a later view.
  package var overdueGenerationCount: Int {
    state.withLock { state in
      // Who was late may have moved on since, with nobody waiting for it any more.
      let sequence = state.views.currentSequence
      if state.workers.allSatisfy({ $0.hasPassed(sequence) }) {
        state.views.retire(before: sequence)
      }
      return state.views.overdueGenerationCount
    }
  }

  /// A sequence above those of all views that were published, and not above that of any to come.
  package var nextSequence: UInt64 { state.withLock { $0.views.currentSequence + 1 } }
}
