import Agent
import CUPF
import DeltaEncoder
import Generator
import Glibc
import HotSwap
import Platform
import Refusal
import Signing
import Staging
import TestSupport

/// The run: first many swaps between two generations that are staged, then many patches from their bytes to the day on
/// which their module is unmapped.
final class Endurance {
  private let parameters: Parameters
  private let key: SigningKey
  /// The two builds that take turns.
  private let builds: [[UInt8]]
  private let agent: Agent
  private var sequence: UInt64 = 0
  /// Which of the builds is confirmed.
  private var current = 0
  private var lastWord: UInt64 = 0

  /// Cycles before the first look: until then pools, caches and the kept generations fill.
  private static let warmUp: UInt64 = 50
  /// Swaps between two words about how far it is.
  private static let chunk: UInt64 = 20_000

  init(_ parameters: Parameters) throws {
    self.parameters = parameters
    key = try SigningKey.generate()
    builds = try ["1.0.0", "1.0.1"].map { version in
      let path = "\(parameters.modules)/qer-\(version).so"
      guard let bytes = contents(of: path) else {
        throw Parameters.Mistake(description: "'\(path)' cannot be read")
      }
      return bytes
    }
    let trusted = "\(parameters.state)/vendor.pub"
    try Self.write(try key.publicKey.pem, to: trusted)
    var options = AgentOptions(stateDirectory: "\(parameters.state)/agent")
    options.trustKeys = [trusted]
    options.product = "upf"
    options.probe = parameters.probe
    options.graceTimeout = 60_000_000_000
    agent = try Agent(options)
    let requirement = SlotRequirement(
      name: "qer", interfaceID: UPF_INTERFACE_QER, interfaceVersion: UPF_INTERFACE_VERSION,
      tableSize: UInt32(MemoryLayout<upf_qer_table>.size))
    let module = "\(parameters.modules)/qer-1.0.0.so"
    _ = try agent.defineSlot(SlotOptions(requirement, module: module))
    try agent.start()
  }

  func run() throws -> Outcome {
    let load = try Load(
      agent, count: parameters.workers, pauseEvery: parameters.pauseEvery)
    var outcome = Outcome(workers: parameters.workers)
    do {
      defer { load.stop() }
      try swap(&outcome)
      outcome.before = try cycle(Self.warmUp)
      let start = MonotonicClock.now
      outcome.after = try cycle(parameters.cycles).settled(asIn: outcome.before) { footprint }
      outcome.cycles = parameters.cycles
      outcome.cycleSeconds = Double(MonotonicClock.now - start) / 1e9
    }
    (outcome.batches, outcome.changes) = (load.batches, load.changes)
    (outcome.lost, outcome.torn) = (load.lost, load.torn)
    outcome.overdueGenerations = agent.status().overdueGenerations
    outcome.refusals = agent.status().counters.refusals
    try agent.close()
    outcome.judge(growthLimit: parameters.growthLimit)
    return outcome
  }

  private func swap(_ outcome: inout Outcome) throws {
    let number = try agent.install(patch: try nextPatch())
    let start = MonotonicClock.now
    var before: Footprint?
    while outcome.swaps < parameters.swaps {
      let count = min(Self.chunk, parameters.swaps - outcome.swaps)
      let report = try agent.exercise(number, count: count, intervalNanoseconds: 0)
      outcome.add(report)
      if before == nil { before = footprint }
      say("swap", outcome.swaps, of: parameters.swaps)
    }
    outcome.swapSeconds = Double(MonotonicClock.now - start) / 1e9
    if let before { outcome.swapGrowth = Int(footprint.memory) - Int(before.memory) }
    try agent.rollback(number)
  }

  /// `count` patches from verification to confirmation; the generation that is retired by the last goes, too.
  private func cycle(_ count: UInt64) throws -> Footprint {
    for done in 0..<count {
      let number = try agent.install(patch: try nextPatch())
      let report = try agent.activate(number)
      guard report.overdue.isEmpty else { throw Late(workers: report.overdue) }
      try agent.confirm(number)
      current = 1 - current
      say("cycle", done + 1, of: count)
    }
    return footprint
  }

  private struct Late: Error { let workers: [WorkerReport] }

  private var footprint: Footprint { .now(state: "\(parameters.state)/agent") }

  private func nextPatch() throws -> [UInt8] {
    sequence += 1
    let pair = PatchRequest.Pair(
      base: builds[current], target: builds[1 - current], names: ("base", "target"))
    var request = PatchRequest(pairs: [pair], keys: [key])
    request.product = "upf"
    request.release = "r\(sequence)"
    // On this thread: those that a more thorough encoder keeps would be taken for the agent's.
    request.effort = .quick
    request.sequence = sequence
    return try PatchBuilder.build(request).bytes
  }

  /// A word about how far it is, once in a few seconds.
  private func say(_ what: String, _ done: UInt64, of count: UInt64) {
    let now = MonotonicClock.now
    guard !parameters.isQuiet, done == count || now - lastWord > 5_000_000_000 else { return }
    lastWord = now
    let memory = footprint.memory
    EnduranceHost.say("\(what) \(done) of \(count), \(memory) KiB")
  }

  private static func write(_ bytes: [UInt8], to path: String) throws {
    guard let file = unsafe fopen(path, "w") else {
      throw Parameters.Mistake(description: "'\(path)' cannot be written")
    }
    // SAFETY: the file is open, and closed here.
    _ = unsafe fwrite(bytes, 1, bytes.count, file)
    _ = unsafe fclose(file)
  }
}
