internal import Bytes
internal import ElfImage
internal import HotSwap
internal import Journal
internal import Platform
internal import Refusal
internal import Signing
internal import Staging

/// One line of the preflight.
package struct DoctorFinding: Equatable, Sendable {
  /// What was looked at.
  package let subject: String
  /// Whether patches can be installed as far as this goes.
  package let isFine: Bool
  /// What was found.
  package let detail: String
}

extension Agent {
  /// Looks at everything that staging and swapping need, by doing it where that changes nothing.
  package func doctor() -> [DoctorFinding] {
    [
      finding("state directory") { () throws(Refusal) in try journal.check() },
      finding("audit log") { () throws(Refusal) in try journal.checkAudit() },
      finding("trusted keys") { () throws(Refusal) in
        let keys = try trust.get()
        let count = keys.keys.count
        return "\(count) \(count == 1 ? "key" : "keys"), \(keys.threshold) needed"
      },
      finding("selftest helper") { () throws(Refusal) in
        guard let probe else {
          throw Refusal(.state, "hitless-probe was not found")
        }
        try probe.check()
        return probe.path
      },
      finding("memory files") { () throws(Refusal) in try MemoryFileCheck.run() },
      finding("clock") { () throws(Refusal) in try clockFinding() },
      finding("modules") { () throws(Refusal) in try modulesFinding() },
      finding("guard") { () throws(Refusal) in try guardFinding() },
      finding("patches") { () throws(Refusal) in try patchesFinding() },
      finding("workers") { () throws(Refusal) in try workersFinding() },
    ]
  }

  private func finding(
    _ subject: String, _ body: () throws(Refusal) -> String
  ) -> DoctorFinding {
    do throws(Refusal) {
      return DoctorFinding(subject: subject, isFine: true, detail: try body())
    } catch {
      let hint = error.hint.map { "; \($0)" } ?? ""
      return DoctorFinding(subject: subject, isFine: false, detail: "\(error)\(hint)")
    }
  }

  private func patchesFinding() throws(Refusal) -> String {
    try requireUnfrozen([])
    let protection = state.withLock { $0.protection }
    if let module = protection.damaged.first, state.withLock({ $0.uses(module) }) {
      throw Refusal(
        .integrity, "the memory of module '\(module.facts.name)' has changed while it was in force",
        hint: "restart the host, or install a patch that replaces the module")
    }
    if let domain = state.withLock({ $0.running?.domain }) {
      try requireFewOldGenerations(in: domain)
    }
    let count = protection.breakers.quarantined.count
    let held = protection.held.keys.sorted().map { ", but none of module '\($0)', which is frozen" }
    return "taken" + (count > 0 ? ", but for \(count) in quarantine" : "") + held.joined()
  }

  private func clockFinding() throws(Refusal) -> String {
    let now = WallClock.now / 1_000_000_000
    let floor = journal.trusted.clockFloor
    guard now >= floor else {
      throw Refusal(
        .expired, "the clock is behind what it was before", expected: "\(floor) or later",
        found: "\(now)", hint: "set the clock")
    }
    return "\(now) s since 1970, last believed \(floor)"
  }

  /// Compares every live image with the sealed file it was mapped from.
  private func modulesFinding() throws(Refusal) -> String {
    guard let modules = state.withLock({ $0.running?.modules }) else {
      throw Refusal(.state, "the agent has not started")
    }
    for module in modules { try module.module.compare(with: try module.bytes()) }
    return "\(describe(modules)); mapped bytes are the sealed ones"
  }

  private func workersFinding() throws(Refusal) -> String {
    let domain = try domain()
    let reports = domain.workerReports()
    guard !reports.isEmpty else {
      throw Refusal(
        .state, "no worker is registered", hint: "the host calls hitless_worker_register")
    }
    if let gone = reports.first(where: { $0.activity == .ended }) {
      throw Refusal(.health, "\(gone)")
    }
    return reports.map { "\($0.name) \($0.activity)" }.joined(separator: ", ")
  }
}
