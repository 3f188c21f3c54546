import Agent
import AttackCorpus
import Foundation
import Refusal
import Staging
import TestSupport
import Testing

/// The same cases, given to an agent: its answer is that of the verifier and of the command line, and
/// a refusal leaves the live module, the confirmed set, the objects and the trusted state as they were.
@Suite("Attacks by patch file on an agent")
struct AgentAttackTests {
  let ground: AttackGround
  let state: String
  let agent: Agent

  init() throws {
    ground = try AttackGround()
    state = ground.directory.path("state")
    try FileManager.default.createDirectory(
      atPath: state, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    var options = AgentOptions(stateDirectory: state)
    options.trustKeys = [ground.directory.path("vendor.pub")]
    options.product = "upf"
    options.probe = try BuiltProduct.path("hitless-probe")
    // The cases come one after the other, however many of them may not be loaded.
    options.loads.failuresInARow = 0
    options.loads.failurePercent = 100
    options.breaker.isMetricsOnly = true
    agent = try Agent(options)
    _ = try agent.defineSlot(
      SlotOptions(
        SlotRequirement(name: "sample", interfaceID: 7, interfaceVersion: 1, tableSize: 16),
        module: ground.directory.path("old.so")))
    try agent.start()
  }

  @Test func `the agent answers as the command line does, and stays as it was`() throws {
    let stable = agent.status().stableGeneration
    let before = try stateFiles()
    var refused: UInt64 = 0
    for attack in try ground.cases {
      let answer = answer(to: attack.file)
      #expect(answer == attack.expected, "\(attack)")
      if answer != nil { refused += 1 }
      #expect(try stateFiles() == before, "\(attack)")
      let status = agent.status()
      #expect(status.stableGeneration == stable)
      #expect(status.candidateGeneration == 0)
      #expect(status.counters.refusals == refused)
    }
    // Nothing of all this counts as accepted: the honest patch is as new as before.
    #expect(answer(to: try ground.forge.honest) == nil)
    try agent.close()
  }

  private func answer(to file: [UInt8]) -> RefusalClass? {
    do throws(Refusal) {
      let number = try agent.install(patch: file)
      try agent.rollback(number)
      return nil
    } catch {
      return error.kind
    }
  }

  /// Everything in the state directory but the audit log and the file with the ratchet of the clock,
  /// which follow every attempt.
  private func stateFiles() throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: state)
    where !name.hasPrefix("audit") && name != "trust" {
      files[name] = FileManager.default.contents(atPath: "\(state)/\(name)")
    }
    return files
  }
}
