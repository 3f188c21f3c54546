internal import AgentControl
internal import Bytes
internal import Probation
internal import Refusal

/// What shadows have done since the agent was opened, for `metrics`.
struct ShadowCounts: Sendable {
  /// Batches of which both runs were compared.
  var compared: UInt64 = 0
  /// Batches that were drawn when there was no place for a copy.
  private(set) var full: UInt64 = 0
  /// Batches that the host did not want to have compared.
  private(set) var declined: UInt64 = 0
  /// Copies that were of no use any more when their turn came.
  var stale: UInt64 = 0
  /// Copies on which stable itself has faulted, by signal, or "budget".
  var stableFaults: [String: UInt64] = [:]
  /// By module.
  var divergences: [String: UInt64] = [:]

  private var lastRun: ObjectIdentifier?
  private var last: (full: UInt64, declined: UInt64) = (0, 0)

  /// Batches that were drawn and not compared.
  var skipped: UInt64 { full &+ declined &+ stale }

  /// Takes note of what the workers of one run have counted so far.
  mutating func noteSkips(_ full: UInt64, _ declined: UInt64, of run: ShadowRun) {
    if lastRun != ObjectIdentifier(run) { last = (0, 0) }
    lastRun = ObjectIdentifier(run)
    self.full &+= full &- last.full
    self.declined &+= declined &- last.declined
    last = (full, declined)
  }
}

extension MetricSnapshot {
  /// What was compared on copies of batches.
  var shadow: [MetricFamily] {
    let counts = metrics.shadow
    var skipped = MetricFamily(
      "hitless_shadow_skipped_total", .counter,
      "Batches that were drawn for a comparison in shadow and not compared, by cause.")
    for (cause, count) in [
      ("declined", counts.declined), ("full", counts.full), ("stale", counts.stale),
    ] {
      skipped.add([("cause", cause)], .number(count))
    }
    var divergences = MetricFamily(
      "hitless_shadow_divergences_total", .counter,
      "Outputs in which a candidate differed from stable on a copy of a batch, by module.")
    let names = Set(moduleNames).union(counts.divergences.keys).union([ShadowReport.host])
    for module in names.sorted() {
      divergences.add([("module", module)], .number(counts.divergences[module] ?? 0))
    }
    return [
      MetricFamily(
        "hitless_shadow_batches_total", .counter,
        "Copies of batches that were run on stable and on a candidate and compared.",
        .number(counts.compared)),
      skipped, divergences, stableFaults,
    ]
  }
}

extension MetricSnapshot {
  private var stableFaults: MetricFamily {
    var faults = MetricFamily(
      "hitless_shadow_stable_faults_total", .counter,
      "Faults of stable itself on copies of batches, which no packet has met, by signal or budget.")
    let counts = metrics.shadow.stableFaults
    for cause in Set(Self.faultCauses).union(counts.keys).sorted() {
      faults.add([("cause", cause)], .number(counts[cause] ?? 0))
    }
    return faults
  }
}

extension ShadowPlan {
  /// The share of batches in words.
  var shareText: String { "\(RolloutPlan.Amount.share(share))" }

  /// What a request asks for; nil when it asks for none.
  init?(_ request: ControlRequest) throws(Refusal) {
    func number(_ name: String) throws(Refusal) -> UInt64? {
      guard let value = request.arguments[name] else { return nil }
      guard let number = value.unsignedValue else {
        throw Refusal(.usage, "'\(name)' is no number")
      }
      return number
    }
    let others = try [
      number("shadow_for_ns"), number("shadow_batches"), number("shadow_divergences"),
    ]
    guard let share = try number("shadow_share") else {
      guard others.allSatisfy({ $0 == nil }) else {
        throw Refusal(
          .usage, "what is asked of a shadow has no meaning without one",
          hint: "add '--shadow batches:5%'")
      }
      return nil
    }
    self.init(
      share: UInt32(clamping: share), duration: others[0] ?? 0, batches: others[1] ?? 0,
      allowed: others[2] ?? 0)
  }
}

extension Shadow {
  /// The shadow as the control socket carries it.
  func cbor(at now: UInt64) -> CBOR {
    let figures = run.figures
    return .named([
      "share": .text(plan.shareText), "over": .bool(isOver),
      "elapsed_ns": .unsigned(age(at: now)), "duration_ns": .unsigned(plan.duration),
      "limit_ns": .unsigned(plan.limit), "batches": .unsigned(plan.batches),
      "allowed": .unsigned(plan.allowedDivergences), "compared": .unsigned(figures.compared),
      "skipped": .unsigned(figures.skipped), "divergences": .unsigned(figures.divergences),
      "kinds": .array(
        figures.kinds.map {
          .named([
            "module": .text($0.module), "output": .text($0.name), "count": .unsigned($0.count),
          ])
        }),
      "first": .array(run.kept.map(\.cbor)), "stable_fault": run.stableFault?.cbor ?? .null,
      "next_decision_ns": .unsigned(nextLook > now ? nextLook - now : 0),
      "verdict": last.map { .text($0.verdict.name) } ?? .null,
      "why": last.map { .text($0.verdict.detail) } ?? .null,
    ])
  }
}
