internal import AgentControl
internal import Bytes
internal import ElfImage
internal import HotSwap
internal import Journal
internal import PatchFormat
internal import Platform
internal import Staging
internal import Verification

extension Agent {
  /// Everything there is to count and to measure, in Prometheus' text format.
  ///
  /// Never blocks for long; asks workers nothing. The first call takes a millisecond more, to measure what a
  /// batch costs.
  package func metrics() -> String { families().map(\.text).joined() }

  /// What `hitless agent metrics` shows.
  func metricsAnswer() -> [String: CBOR] {
    let families = families()
    return [
      "text": .text(families.map(\.text).joined()), "families": .array(families.map(\.cbor)),
    ]
  }

  private func families() -> [MetricFamily] {
    measureBatchCost()
    let now = MonotonicClock.now
    let snapshot = state.withLock { MetricSnapshot($0, at: now) }
    let domain = snapshot.running?.domain
    var families = snapshot.transactions + snapshot.durations + snapshot.protection
    families.append(snapshot.modules)
    families += snapshot.golden + snapshot.shadow
    families += snapshot.workers(domain?.positions() ?? [])
    families.append(
      MetricFamily(
        "hitless_overdue_generations", .gauge,
        "Generations that are mapped only because a worker has not taken up a later view.",
        .number(UInt64(domain?.overdueGenerationCount ?? 0))))
    families.append(
      MetricFamily(
        "hitless_late_signals_total", .counter,
        "Signals that the watchdog has sent to workers whose batch was over its time budget.",
        .number(lateSignals)))
    families.append(
      MetricFamily(
        "hitless_deadline_expirations_total", .counter,
        "Views that workers have left by themselves because the time to confirm was over.",
        .number(expirations)))
    families += migrations
    families.append(instance(snapshot))
    families.append(
      MetricFamily(
        "hitless_agent_start_time_seconds", .gauge,
        "When the agent was opened, in seconds since 1970: what has ended a run before is told from there on.",
        .nanoseconds(openTime)))
    return families
  }

  /// Records that were moved between schemas.
  private var migrations: [MetricFamily] {
    let counts = migrationCounts
    var moved = MetricFamily(
      "hitless_migrated_records_total", .counter,
      "Records that were moved to a candidate's layout, and back from it.")
    moved.add([("direction", "forward")], .number(counts.forward))
    moved.add([("direction", "back")], .number(counts.back))
    let kept = MetricFamily(
      "hitless_migration_kept_records_total", .counter,
      "Records whose way back has failed: they are as they were before the trial.",
      .number(counts.kept))
    let failures = MetricFamily(
      "hitless_migration_failures_total", .counter,
      "Calls of a module's migrate that have failed on the way forward.",
      .number(counts.failures))
    let isUnderWay = MetricFamily(
      "hitless_migrating", .gauge, "1 while records are on their way between two layouts.",
      .number(isMigrating ? 1 : 0))
    return [moved, kept, failures, isUnderWay]
  }

  private func measureBatchCost() {
    guard state.withLock({ $0.running != nil && $0.metrics.batchCost == nil }),
      let cost = BatchCost.measure(options.guarding, at: options.threads)
    else { return }
    state.withLock { $0.metrics.batchCost = cost }
  }

  private func instance(_ snapshot: MetricSnapshot) -> MetricFamily {
    var family = MetricFamily(
      "hitless_agent_info", .gauge, "The agent's instance, as its log lines name it; always 1.")
    family.add([("instance", options.instance)], .number(1))
    return family
  }
}

/// The state that figures are made of, at one moment.
struct MetricSnapshot {
  let metrics: AgentMetrics
  let counters: Agent.Counters
  let guardedState: Protection
  let running: Agent.Running?
  let transaction: Transaction?
  /// Whether a module is in force that is not in memory what it was.
  let isDamaged: Bool
  let now: UInt64

  init(_ state: Agent.State, at now: UInt64) {
    metrics = state.metrics
    counters = state.counters
    guardedState = state.protection
    running = state.running
    transaction = state.transaction
    isDamaged = state.protection.damaged.contains { state.uses($0) }
    self.now = now
  }

  /// Results, rollbacks, faults.
  var transactions: [MetricFamily] {
    var results = MetricFamily(
      "hitless_transactions_total", .counter,
      "Ends of candidates by result, and refused patches; one that is tried again ends again.")
    for result in AgentMetrics.Result.allCases {
      results.add([("result", result.rawValue)], .number(metrics.results[result] ?? 0))
    }
    var rollbacks = MetricFamily(
      "hitless_rollbacks_total", .counter,
      "Rollbacks of a module by reason; one for each module that the patch changes.")
    let known = Set(metrics.rollbacks.keys.map(\.module))
    for module in Set(moduleNames).union(known).union([AgentMetrics.unknownModule]).sorted() {
      for reason in RollbackReason.allCases {
        let key = AgentMetrics.Rollback(module: module, reason: reason)
        rollbacks.add(
          [("module", module), ("reason", reason.rawValue)], .number(metrics.rollbacks[key] ?? 0))
      }
    }
    return [results, rollbacks, faults] + counts
  }

  private var counts: [MetricFamily] {
    [
      MetricFamily(
        "hitless_activations_total", .counter,
        "Times that a candidate was put in force, or in shadow.",
        .number(counters.activations)),
      MetricFamily(
        "hitless_refusals_total", .counter, "Requests that were refused, of every kind.",
        .number(counters.refusals)),
    ]
  }

  /// What faults are always counted by.
  static let faultCauses = [
    "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP", "budget",
  ]

  private var faults: MetricFamily {
    var faults = MetricFamily(
      "hitless_faults_total", .counter,
      "Faults of candidates from which a worker came back to stable, by signal, or budget.")
    for cause in Set(Self.faultCauses + ["unreported"]).union(metrics.faults.keys).sorted() {
      faults.add([("cause", cause)], .number(metrics.faults[cause] ?? 0))
    }
    return faults
  }

  /// Histograms.
  var durations: [MetricFamily] {
    func family(_ name: String, _ help: String, _ histogram: Histogram) -> MetricFamily {
      var family = MetricFamily(name, .histogram, help)
      family.add(histogram)
      return family
    }
    return [
      family(
        "hitless_swap_duration_seconds",
        "From the first publishing store of a swap to the last.", metrics.publish),
      family(
        "hitless_grace_duration_seconds",
        "From the first publishing store of a swap until no worker could use the view before.",
        metrics.grace),
      family(
        "hitless_stage_duration_seconds",
        "From the bytes of a patch to modules that are ready.", metrics.stage),
      family(
        "hitless_verify_duration_seconds",
        "The part of it that was checking signature, freshness and manifest.", metrics.verify),
      MetricFamily(
        "hitless_overdue_grace_periods_total", .counter,
        "Swaps after which a worker was late; what it may use stays mapped.",
        .number(metrics.overdueGracePeriods)),
    ]
  }

  /// The modules of stable and candidate.
  var modules: MetricFamily {
    var family = MetricFamily(
      "hitless_module_info", .gauge,
      "The modules in force, by role: stable, or candidate while one is on trial; always 1.")
    func add(_ module: StagedModule, _ role: String) {
      family.add(
        [
          ("slot", module.slot), ("module", module.facts.name),
          ("version", "\(module.facts.version)"), ("build_id", module.image.buildID.hex),
          ("role", role),
        ], .number(1))
    }
    for module in running?.modules ?? [] { add(module, "stable") }
    if let transaction, transaction.state == .active {
      for module in transaction.changed(from: running?.modules ?? []) { add(module, "candidate") }
    }
    return family
  }

  /// Names of the modules of this host, in the order of its slots.
  var moduleNames: [String] { running?.modules.map(\.facts.name) ?? [] }
}

extension MetricSnapshot {
  /// Breakers, holds, alarms.
  var protection: [MetricFamily] {
    let state = guardedState
    var loads = MetricFamily(
      "hitless_loads_total", .counter, "Modules of patches that were loaded, by how it ended.")
    loads.add([("result", "loaded")], .number(state.loadCount &- state.loadFailureCount))
    loads.add([("result", "failed")], .number(state.loadFailureCount))
    var failures = MetricFamily(
      "hitless_breaker_failures_total", .counter, "Failures that breakers were told, by source.")
    for source in BreakerSource.allCases {
      failures.add([("source", source.rawValue)], .number(metrics.failures[source] ?? 0))
    }
    var alarms = MetricFamily(
      "hitless_health_alarm", .gauge,
      "1 while an operator is needed: loads fail too often, or a module in memory has changed.")
    alarms.add([("cause", "loads")], .number(state.stopped == nil ? 0 : 1))
    alarms.add([("cause", "golden_image")], .number(isDamaged ? 1 : 0))
    return [
      breakerStates, failures, loads, alarms,
      MetricFamily(
        "hitless_frozen", .gauge, "1 while an operator keeps every patch out.",
        .number(state.frozen == nil ? 0 : 1)),
      MetricFamily(
        "hitless_frozen_modules", .gauge, "Modules whose patches an operator keeps out.",
        .number(UInt64(state.held.count))),
      MetricFamily(
        "hitless_quarantined_patches", .gauge,
        "Patches that are refused until an operator releases them.",
        .number(UInt64(state.breakers.quarantined.count))),
    ]
  }

  /// One sample per module and state, of which one is 1.
  private var breakerStates: MetricFamily {
    var family = MetricFamily(
      "hitless_breaker_state", .gauge,
      "1 for the state of a module's breaker in the patch that was installed last; else closed.")
    for module in moduleNames {
      let current = guardedState.breakerState(of: module, patch: currentPatch, at: now)
      for state in BreakerCondition.allCases {
        family.add(
          [("module", module), ("state", state.rawValue)], .number(state == current ? 1 : 0))
      }
    }
    return family
  }

  private var currentPatch: BreakerPatch? {
    guard let transaction, [.staged, .active, .rolledBack].contains(transaction.state) else {
      return nil
    }
    return transaction.patch.identity
  }

  /// What looking at modules in memory has found.
  var golden: [MetricFamily] {
    [
      MetricFamily(
        "hitless_golden_checks_total", .counter,
        "Mapped modules that were compared with what they were when they were loaded.",
        .number(metrics.goldenChecks)),
      MetricFamily(
        "hitless_golden_checked_bytes_total", .counter, "Bytes of modules that were compared.",
        .number(metrics.goldenBytes)),
      MetricFamily(
        "hitless_golden_mismatches_total", .counter,
        "Modules in whose memory something has changed.", .number(metrics.goldenMismatches)),
    ]
  }
}

extension MetricSnapshot {
  /// Workers, and what their batches cost.
  func workers(_ positions: [WorkerPosition]) -> [MetricFamily] {
    var age = MetricFamily(
      "hitless_worker_generation_age_seconds", .gauge,
      "Time since the view was put in force that the worker uses; none while it is idle.")
    var behind = MetricFamily(
      "hitless_worker_behind_seconds", .gauge,
      "Time for which a newer view has been in force that the worker has not taken up.")
    var batches = MetricFamily(
      "hitless_guarded_batches_total", .counter, "Batches that were run under the guard.")
    for worker in positions {
      let labels = [("worker", worker.name), ("index", String(worker.index))]
      batches.add(labels, .number(worker.guardedBatches))
      let late = worker.seen.flatMap { metrics.behindSince($0) }.map { since($0) } ?? 0
      behind.add(labels, .nanoseconds(late))
      guard let seen = worker.seen, let begin = metrics.beginning(of: seen) else { continue }
      age.add(labels, .nanoseconds(since(begin)))
    }
    return [
      MetricFamily(
        "hitless_workers", .gauge, "Workers that are registered.", .number(UInt64(positions.count))),
      age, behind, batches, batchCost,
    ]
  }

  /// Measured with batches that do nothing, when figures were asked for the first time.
  private var batchCost: MetricFamily {
    var family = MetricFamily(
      "hitless_batch_overhead_seconds", .gauge,
      "What a batch costs more than a direct call, as measured on this machine.")
    guard let cost = metrics.batchCost else { return family }
    family.add([("path", "plain")], .nanoseconds(cost.plain))
    family.add([("path", "guarded")], .nanoseconds(cost.guarded))
    return family
  }

  private func since(_ time: UInt64) -> UInt64 { now > time ? now - time : 0 }
}
