import Platform
import Refusal
import TestSupport
import Testing

@testable import Agent
@testable import HotSwap

/// An exercise that cannot make its next swap, as where there is no memory for a view.
@Suite("An exercise that comes to no end")
struct StrandedExerciseTests {
  let site: Site

  init() throws { site = try Site() }

  /// Makes the agent's domain refuse to publish a generation until it is called again.
  private func refuse(_ generation: Generation, _ isRefused: Bool, _ agent: Agent) throws {
    let domain = try #require(agent.state.withLock { $0.running?.domain })
    domain.state.withLock { state in
      state.generations.removeAll { $0 === generation }
      if !isRefused { state.generations.append(generation) }
    }
  }

  /// Ends the pause before an exercise's next swap, as a fault does.
  private func endPause(_ agent: Agent) { agent.state.withLock { $0.transaction?.faults = 1 } }

  private func exercise(_ agent: Agent, _ number: UInt64) throws -> Order<ExerciseReport> {
    try Order { try agent.exercise(number, count: 100, intervalNanoseconds: 600_000_000_000) }
  }

  private func expectRolledBack(_ agent: Agent, _ worker: TestWorker, _ number: UInt64) throws {
    #expect(eventually { worker.results == [31, 31] })
    #expect(agent.status().transactionState == .rolledBack)
    #expect(agent.status().counters.rollbacks == 1)
    let log = String(decoding: contents(of: "\(site.state)/audit.jsonl") ?? [], as: UTF8.self)
    #expect(log.contains(#""reason":"inconclusive""#))
    // Nothing is held against it.
    _ = try agent.activate(number)
    try agent.confirm(number)
    #expect(eventually { worker.results == [32, 31] })
    worker.stop()
    try agent.close()
  }

  /// The candidate used to stay in force, staged as it was: nobody could roll it back.
  @Test func `without a view for stable is over when there is one, and the candidate goes`() throws
  {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    let stable = try #require(agent.state.withLock { $0.running?.stable })
    let order = try exercise(agent, number)
    #expect(eventually { worker.results == [32, 31] })
    try refuse(stable, true, agent)
    endPause(agent)
    #expect(eventually { agent.status().transactionState == .active })
    #expect(worker.results == [32, 31])
    try refuse(stable, false, agent)
    #expect(throws: Refusal.self) { try order.get() }
    try expectRolledBack(agent, worker, number)
  }

  /// Stable used to be in force, while the candidate counted as active.
  @Test func `without a view for the candidate that was active rolls it back`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    #expect(eventually { worker.results == [32, 31] })
    let candidate = try #require(agent.state.withLock { $0.transaction?.generation })
    let order = try exercise(agent, number)
    #expect(eventually { worker.results == [31, 31] })
    try refuse(candidate, true, agent)
    endPause(agent)
    #expect(throws: Refusal.self) { try order.get() }
    try refuse(candidate, false, agent)
    try expectRolledBack(agent, worker, number)
  }
}
