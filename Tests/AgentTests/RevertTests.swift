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
    _ = try site.confirmOne(on: agent)
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

  /// It used to bring the module back that had been given up: it has one for every slot.
  @Test(arguments: [true, false])
  func `leaves a candidate above it nothing to stand on`(isOnTrial: Bool) throws {
    site.options.guarding.mode = .always
    let agent = try site.start()
    let worker = try TestWorker(agent)
    _ = try site.confirmOne(on: agent)
    let patch = try site.patch(["beta"], sequence: 3)
    let second = try agent.install(patch: patch)
    if isOnTrial { _ = try agent.activate(second) }
    let stable = agent.status().stableGeneration
    try agent.revert(stable, because: .fault, detail: "late")
    #expect(eventually { worker.results == [31, 31] })
    expectRefusal(.state) { _ = try agent.activate(second) }
    expectRefusal(.state) { _ = try agent.exercise(second, count: 2, intervalNanoseconds: 0) }
    #expect(worker.results == [31, 31])
    if !isOnTrial { try agent.rollback(second) }
    let again = try agent.install(patch: patch)
    _ = try agent.activate(again)
    #expect(eventually { worker.results == [31, 32] })
    try agent.rollback(again)
    // What an ordinary rollback has ended may be tried once more.
    _ = try agent.activate(again)
    try agent.confirm(again)
    worker.stop()
    try agent.close()
  }

  /// Its own modules are none that it leaves as they were.
  @Test func `lets the patch that was given up be activated again`() throws {
    site.options.guarding.mode = .always
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let first = try site.confirmOne(on: agent)
    try agent.revert(agent.status().stableGeneration, because: .asked, detail: "late")
    #expect(eventually { worker.results == [31, 31] })
    _ = try agent.activate(first)
    #expect(eventually { worker.results == [32, 31] })
    try agent.rollback(first)
    worker.stop()
    try agent.close()
  }
}
