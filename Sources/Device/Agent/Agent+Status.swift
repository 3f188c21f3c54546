internal import AgentControl
internal import Bytes
internal import Digests
internal import ElfImage
internal import HotSwap
internal import Journal
internal import PatchFormat
internal import Platform
package import Refusal
internal import Staging
internal import Verification

/// What the agent is doing, at one moment.
package struct AgentStatus: Sendable {
  /// How many slots the host has.
  package var slotCount = 0
  /// How many workers are registered.
  package var workerCount = 0
  /// Number of the newest transaction; 0 when there was none.
  package var transaction: UInt64 = 0
  /// Where it stands.
  package var transactionState = TransactionState.none
  /// Number of the generation to fall back to; 0 before the start.
  package var stableGeneration: UInt64 = 0
  /// Number of the generation in force on trial; 0 when there is none.
  package var candidateGeneration: UInt64 = 0
  /// What was done since the agent was opened.
  package var counters = Agent.Counters()
  /// The last swap.
  package var lastSwap: SwapReport?
  /// Generations that are kept only because a worker has not passed a later view.
  package var overdueGenerations = 0
  /// Copies of batches that were compared since the agent was opened, those that were not, and divergences.
  package var shadow = (compared: UInt64(0), skipped: UInt64(0), divergences: UInt64(0))
  /// Whether an operator, the host, or a record that cannot be read keeps patches out.
  package var isFrozen = false
}

extension Agent {
  /// What the agent is doing; never blocks for long.
  package func status() -> AgentStatus {
    // Asked outside: to answer may give memory back.
    let overdue = state.withLock { $0.running?.domain }?.overdueGenerationCount ?? 0
    return state.withLock { state in
      var status = AgentStatus()
      status.overdueGenerations = overdue
      status.slotCount = state.slots.count
      status.counters = state.counters
      status.lastSwap = state.lastSwap
      let shadow = state.metrics.shadow
      status.shadow = (
        shadow.compared, shadow.skipped, shadow.divergences.values.reduce(0, &+)
      )
      status.isFrozen = state.protection.frozen != nil
      if let running = state.running {
        status.workerCount = running.domain.workerCount
        status.stableGeneration = running.stable.number
      }
      if let transaction = state.transaction {
        status.transaction = transaction.number
        status.transactionState = transaction.state
        if transaction.state == .active {
          status.candidateGeneration = transaction.generation.number
        }
      }
      return status
    }
  }

  /// Waits for the first event after number `number`; nil when none came in `timeout` nanoseconds.
  package func nextEvent(after number: UInt64, timeout: UInt64) -> AgentEvent? {
    events.next(after: number, .after(timeout))
  }

  /// The number of the transaction that `activate`, `confirm` and `rollback` mean when none is named.
  package func currentTransaction() throws(Refusal) -> UInt64 {
    guard let transaction = state.withLock({ $0.transaction }) else {
      throw Refusal(
        .state, "there is no transaction", hint: "install a patch first")
    }
    return transaction.number
  }

  /// Everything that `hitless agent list` shows.
  func listing() -> [String: CBOR] {
    let (running, transaction, operation, lastRun) = state.withLock {
      ($0.running, $0.transaction, $0.operation, $0.lastRun)
    }
    let status = status()
    var values: [String: CBOR] = [
      "instance": .text(options.instance),
      "counters": status.counters.cbor,
      "confirmed": .unsigned(journal.confirmed.number),
      "last_run": lastRun.map { $0.cbor } ?? .null,
      "abandoned": journal.confirmed.abandoned.map { $0.cbor } ?? .null,
      "guard": guardListing(running?.domain),
      "protection": protectionListing(),
      "operation": operation.map { .text($0) } ?? .null,
      "migration": migrationListing() ?? .null,
      "last_swap": status.lastSwap?.cbor ?? .null,
      "overdue_generations": .unsigned(UInt64(status.overdueGenerations)),
    ]
    guard let running else { return values }
    values["stable"] = .named([
      "generation": .unsigned(running.stable.number), "modules": describe(modules: running.modules),
    ])
    values["retired_generations"] = .unsigned(UInt64(running.retired.count))
    values["ended_workers"] = .unsigned(running.domain.endedWorkerCount)
    values["workers"] = .array(running.domain.workerReports().map(\.cbor))
    values["transaction"] = transaction.map { describe($0) } ?? .null
    values["health"] = healthListing() ?? .null
    return values
  }

  func describe(_ transaction: Transaction) -> CBOR {
    let remaining = transaction.confirmBy.map { Deadline.at($0).remaining }
    return .named([
      "number": .unsigned(transaction.number), "state": .text(transaction.state.name),
      "generation": .unsigned(transaction.generation.number),
      "patch": .bytes(transaction.patch.identity.bytes),
      "product": .text(transaction.patch.manifest.product),
      "release": .text(transaction.patch.manifest.release),
      "sequence": .unsigned(transaction.patch.manifest.sequence),
      "resolves": .array(transaction.patch.manifest.resolves.map { .text($0) }),
      "modules": describe(modules: transaction.modules),
      "stage_ns": .unsigned(transaction.stageNanoseconds),
      "confirm_within_ns": remaining.map { .unsigned($0) } ?? .null,
      "rollback": transaction.ending.map { $0.cbor } ?? .null,
      "shadow": transaction.shadow?.cbor(at: MonotonicClock.now) ?? .null,
      "rollout": transaction.rollout.map { $0.cbor(at: MonotonicClock.now) } ?? .null,
    ])
  }

  private func describe(modules: [StagedModule]) -> CBOR {
    .array(
      modules.map {
        .named([
          "slot": .text($0.slot), "module": .text($0.facts.name),
          "version": .text("\($0.facts.version)"), "build_id": .bytes($0.image.buildID),
          "sha256": .bytes($0.image.digest.bytes), "size": .unsigned($0.image.size),
          "ordinal": .unsigned(UInt64($0.module.ordinal)),
        ])
      })
  }
}

extension Agent.Counters {
  fileprivate var cbor: CBOR {
    .named([
      "activations": .unsigned(activations), "confirmations": .unsigned(confirmations),
      "rollbacks": .unsigned(rollbacks), "refusals": .unsigned(refusals),
      "faults": .unsigned(faults),
    ])
  }
}

extension SwapReport {
  /// The report as the control socket carries it.
  var cbor: CBOR {
    .named([
      "publish_ns": .unsigned(publishNanoseconds),
      "grace_ns": graceNanoseconds.map { .unsigned($0) } ?? .null,
      "overdue": .array(overdue.map(\.cbor)),
    ])
  }
}

extension WorkerReport {
  /// The report as the control socket carries it.
  var cbor: CBOR {
    .named([
      "name": .text(name), "thread": .unsigned(UInt64(max(0, threadID))),
      "seen": seen.map { .unsigned($0) } ?? .null, "activity": .text("\(activity)"),
      "context_switches": .unsigned(contextSwitches),
    ])
  }
}

extension Transaction.Ending {
  /// The ending as the control socket carries it.
  var cbor: CBOR {
    .named(["reason": .text(reason.rawValue), "detail": .text(detail)])
  }
}
