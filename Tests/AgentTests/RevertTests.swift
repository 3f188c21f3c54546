import Guard
import Journal
import Platform
import Refusal
import TestSupport
import Testing

@testable import Agent

/// What was confirmed is given up while something else is on trial: a worker that had the view before has told of a
/// fault late.
@Suite("Going back from what was confirmed")
struct RevertTests {
  let site: Site

  init() throws { site = try Site() }

  /// The transaction used to stay active, and could be confirmed, though no candidate was in force.
  @Test func `ends the trial of a candidate above it, against which nothing is held`() throws {
    site.options.guarding.mode = .always
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let first = try agent.install(patch: try site.patch())
    _ = try agent.activate(first)
    try agent.confirm(first)
    let second = try agent.install(patch: try site.patch(["beta"], sequence: 3))
    _ = try agent.activate(second)
    #expect(eventually { worker.results == [32, 32] })
    let stable = agent.status().stableGeneration
    try agent.revert(stable, because: .fault, detail: "late")
    #expect(eventually { worker.results == [31, 31] })
    let status = agent.status()
    #expect(status.transactionState == .rolledBack && status.counters.rollbacks == 2)
    #expect(status.candidateGeneration == 0 && agent.journal.confirmed.abandoned != nil)
    expectRefusal(.state) { try agent.confirm(second) }
    #expect(try site.auditKinds().suffix(3) == ["reverted", "rolled-back", "refused"])
    let metrics = agent.metrics()
    #expect(metrics.contains(#"rollbacks_total{module="alpha",reason="fault"} 1"#))
    #expect(metrics.contains(#"rollbacks_total{module="beta",reason="inconclusive"} 1"#))
    let third = try agent.install(patch: try site.patch(["beta"], to: 2, sequence: 4))
    _ = try agent.activate(third)
    #expect(eventually { worker.results == [31, 33] })
    try agent.rollback(third)
    worker.stop()
    try agent.close()
  }
}
