import Agent
import Foundation
import Guard
import Journal
import Platform
import Probation
import Refusal
import TestSupport
import Testing

/// Every way to fail, in both languages, on trial and afterwards, with one worker and with two.
///
/// One after the other: signal handlers and the watchdog's real-time thread are the process's.
@Suite("Faults of a candidate under load", .serialized)
struct MatrixTests {
  @Test(arguments: Language.allCases, Failure.common)
  func `a candidate that fails on trial is left at once, and no packet is lost`(
    language: Language, failure: Failure
  ) throws {
    try failOnTrial(language, failure, nil)
  }

  @Test(arguments: Language.allCases, Failure.common)
  func `a canary that fails is left at once, and no packet is lost`(
    language: Language, failure: Failure
  ) throws {
    var plan = RolloutPlan()
    plan.steps = RolloutPlan.steps(
      .batches, first: .share(32_768), later: [RolloutPlan.all])
    try failOnTrial(language, failure, plan)
  }

  /// The first worker has nothing but the candidate, the others nothing of it.
  @Test(arguments: Language.allCases, Failure.common)
  func `a canary on one worker that fails is left at once, and no packet is lost`(
    language: Language, failure: Failure
  ) throws {
    var plan = RolloutPlan()
    plan.kind = .workers
    plan.steps = [.workers(1), .share(RolloutPlan.all)]
    try failOnTrial(language, failure, plan)
  }

  /// In such a batch both have flows, and stable's come first.
  @Test(arguments: Failure.common.filter { [.segv, .abort, .overflow, .loop].contains($0) })
  func `a canary of flows that fails is left at once, and no packet is lost`(
    failure: Failure
  ) throws {
    var plan = RolloutPlan()
    plan.kind = .flows
    plan.steps = RolloutPlan.steps(.flows, first: .share(60_000), later: [RolloutPlan.all])
    try failOnTrial(.c, failure, plan)
  }

  /// readelf knows the build-id of the file, nm where its functions are, and objdump the instruction.
  @Test func `the report of a fault says where, as other tools understand it`() throws {
    let report = try self.report(of: .ill)
    let place = try #require(report.place)
    let notes = try run("/usr/bin/readelf", ["-n", report.file]).output
    let buildID = place.buildID.map { String(format: "%02x", $0) }.joined()
    #expect(buildID.count == 40 && notes.contains("Build ID: \(buildID)"))
    #expect(try Self.isConsistent(place, report.file))
    let listing = try run(
      "/usr/bin/objdump",
      [
        "-d", "--start-address=\(place.offset)", "--stop-address=\(place.offset + 4)", report.file,
      ]
    ).output
    #if arch(x86_64)
    #expect(listing.contains("ud2"), "\(listing)")
    #endif
  }

  @Test func `the report of a fault names who had called what failed`() throws {
    let report = try self.report(of: .overflow)
    #expect(report.frames.count > 1)
    for frame in report.frames {
      #expect(try Self.isConsistent(frame, report.file), "\(frame)")
    }
    #expect(report.frames.first?.symbol?.hasPrefix("descend") == true, "\(report.frames)")
  }

  /// What the agent says of a candidate that has failed, and the candidate's file.
  private typealias Report = (
    place: FaultPlace?, frames: [FaultPlace], file: String, directory: TemporaryDirectory
  )

  private func report(of failure: Failure) throws -> Report {
    let directory = try TemporaryDirectory()
    let image = try FaultyModule.image(2, failure)
    let file = try directory.write("candidate.so", image)
    let node = try GuardedNode(workers: 1)
    _ = try node.agent.activate(try node.install(image))
    try node.load(trigger: [0])
    expectFault(node, failure, .rolledBack)
    let report = try #require(node.agent.lastFault)
    return (report.place, report.frames, file, directory)
  }

  /// Whether the function that a place names, and how far it is, are where the place is.
  private static func isConsistent(_ place: FaultPlace, _ file: String) throws -> Bool {
    let parts = (place.symbol ?? "").components(separatedBy: "+0x")
    guard parts.count == 2, let distance = UInt64(parts[1], radix: 16) else { return false }
    let symbols = try run("/usr/bin/nm", ["--defined-only", file]).output
    return symbols.split(separator: "\n").contains { line in
      let words = line.split(separator: " ")
      guard words.count == 3, words[2] == parts[0], let start = UInt64(words[0], radix: 16) else {
        return false
      }
      // A return address is named by the call before it.
      return (0...1).contains(place.offset - start - distance)
    }
  }

  private func failOnTrial(
    _ language: Language, _ failure: Failure, _ plan: RolloutPlan?
  ) throws {
    for workers in 1...2 {
      let node = try GuardedNode(workers: workers)
      let transaction = try node.install(try FaultyModule.image(2, failure, in: language))
      try node.load()
      _ = try node.agent.activate(transaction, plan)
      if plan?.kind == .workers {
        // What the others have of that kind is not the candidate's.
        try node.load(trigger: Array(1..<workers))
        node.expectConservation()
        #expect(node.agent.status().counters.faults == 0 && (node.marks[2] ?? 0) > 0)
      }
      // With a plan every other batch is the candidate's: so is that of one of these packets, sooner or later.
      for _ in 0..<100 where node.agent.status().counters.faults == 0 {
        try node.load(trigger: Array(0..<workers))
      }
      expectFault(node, failure, .rolledBack)
      if plan?.kind == .workers { #expect(node.agent.lastFault?.worker == "upf-worker-0") }
      try node.load(trigger: Array(0..<workers))
      node.expectConservation()
      #expect((node.marks[1] ?? 0) > 0)
      #expect(node.agent.status().counters.rollbacks == 1)
    }
  }

  @Test(arguments: Language.allCases, Failure.common)
  func `one that fails after it was confirmed leads back to what was stable before`(
    language: Language, failure: Failure
  ) throws {
    for workers in 1...2 {
      let node = try GuardedNode(workers: workers) { $0.guarding.mode = .always }
      let stable = node.agent.status().stableGeneration
      let transaction = try node.install(try FaultyModule.image(2, failure, in: language))
      _ = try node.agent.activate(transaction)
      try node.load()
      try node.agent.confirm(transaction)
      #expect(node.agent.status().stableGeneration != stable)
      try node.load(trigger: Array(0..<workers))
      expectFault(node, failure, .rolledBack)
      #expect(node.agent.status().stableGeneration == stable)
      // The next start is to come up on the files of the host again, not on what has failed.
      #expect(eventually(within: 60) { (try? node.confirmedSet())?.abandoned?.number == 1 })
      #expect(try node.confirmedSet().modules.isEmpty)
      try node.load(trigger: Array(0..<workers))
      node.expectConservation()
      #expect((node.marks[2] ?? 0) > 0)
    }
  }

  @Test func `one that fails after the host was started on it leads back to what was there before`()
    throws
  {
    let first = try GuardedNode(workers: 1) { $0.guarding.mode = .always }
    let transaction = try first.install(try FaultyModule.image(2, .segv))
    _ = try first.agent.activate(transaction)
    try first.agent.confirm(transaction)
    try first.load()
    first.expectConservation()
    try first.end()

    let node = try GuardedNode(workers: 2, after: first) { $0.guarding.mode = .always }
    let stable = node.agent.status().stableGeneration
    try node.load()
    #expect(Set(node.marks.keys).isSubset(of: [2, 0xffff]), "\(node.marks)")
    try node.load(trigger: [0, 1])
    #expect(eventually(within: 60) { node.agent.status().stableGeneration != stable })
    #expect(eventually(within: 60) { node.agent.lastFault?.place?.module == "qer 1.0.2" })
    #expect(eventually(within: 60) { (try? node.confirmedSet())?.abandoned?.number == 1 })
    try node.load(trigger: [0, 1])
    node.expectConservation()
    #expect((node.marks[1] ?? 0) > 0)
  }

  /// The way back waits for the exercise, which had no reason to end.
  @Test func `one that fails in its turns of an exercise is taken back, and ends it`() throws {
    let node = try GuardedNode(workers: 1) { $0.guarding.mode = .always }
    let image = try FaultyModule.image(2, .segv)
    let first = try node.install(image)
    _ = try node.agent.activate(first)
    try node.confirm(first, image)
    let stable = node.agent.status().stableGeneration
    let number = try node.install(try FaultyModule.image(3))
    let count: UInt64 = 200_000
    let agent = node.agent
    let swaps = Guarded<UInt64>(0)
    let exercising = try SystemThread.start("test-exercise") {
      let report = try? agent.exercise(number, count: count, intervalNanoseconds: 5_000_000)
      swaps.withLock { $0 = report.map { $0.swaps } ?? count }
    }
    for _ in 0..<1000 where node.agent.status().stableGeneration == stable {
      try node.load(trigger: [0])
    }
    exercising.join()
    #expect(swaps.withLock { $0 } < count)
    #expect(eventually(within: 60) { node.agent.lastFault?.place?.module == "qer 1.0.2" })
    #expect(node.agent.status().stableGeneration != stable)
    #expect(eventually(within: 60) { (try? node.confirmedSet())?.abandoned?.number == 1 })
    try node.load(trigger: [0])
    node.expectConservation()
  }

  /// The thread that answers for faults had gone with what the refused start had made, and no other one came.
  @Test func `one that fails after a start that was refused, and tried again, is answered for`()
    throws
  {
    let first = try GuardedNode(workers: 1) { $0.guarding.mode = .always }
    let image = try FaultyModule.image(2, .segv)
    let transaction = try first.install(image)
    _ = try first.agent.activate(transaction)
    try first.confirm(transaction, image)
    try first.end()

    let folder = first.directory.path("run")
    let node = try GuardedNode(workers: 1, after: first) {
      $0.guarding.mode = .always
      $0.controlSocket = folder + "/control"
    } beforeStart: { agent in
      #expect(throws: Refusal.self) { try agent.start() }
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    }
    let stable = node.agent.status().stableGeneration
    try node.load(trigger: [0])
    #expect(eventually(within: 60) { node.agent.status().stableGeneration != stable })
    #expect(eventually(within: 60) { node.agent.lastFault?.place?.module == "qer 1.0.2" })
    try node.load()
    node.expectConservation()
  }

  @Test(arguments: Sanitizer.isAddress ? [Failure.jump] : [.import, .jump])
  func `a fault outside of the candidate's code that the candidate has led to is its own`(
    failure: Failure
  ) throws {
    let node = try GuardedNode(workers: 1)
    let transaction = try node.install(try FaultyModule.image(2, failure))
    _ = try node.agent.activate(transaction)
    try node.load(trigger: [0])
    expectFault(node, failure, .rolledBack)
    node.expectConservation()
  }

  /// Nothing of the module is on the stack: only that the batch has not reached its commit point tells.
  @Test func `a fault in a function that the candidate has jumped to is its own`() throws {
    let node = try GuardedNode(workers: 1)
    let transaction = try node.install(try FaultyModule.image(2, .leave))
    _ = try node.agent.activate(transaction)
    try node.load()
    try node.load(trigger: [0])
    #expect(eventually(within: 60) { node.agent.lastFault != nil })
    #expect(node.agent.lastFault?.cause == "SIGSEGV")
    #expect(node.agent.status().transactionState == .rolledBack)
    node.expectConservation()
  }

  /// Packets for faults used to be one user's, whose worker was the only one that ever failed.
  @Test(arguments: 0..<2)
  func `each of two workers fails at packets of its own`(worker: Int) throws {
    let node = try GuardedNode(workers: 2)
    _ = try node.agent.activate(try node.install(try FaultyModule.image(2, .segv)))
    try node.load(trigger: [worker])
    expectFault(node, .segv, .rolledBack)
    #expect(node.agent.lastFault?.worker == "upf-worker-\(worker)")
    node.expectConservation()
  }

  @Test func `one that has failed cannot be confirmed, and can be tried again`() throws {
    let node = try GuardedNode(workers: 1) { $0.breaker.isMetricsOnly = true }
    let transaction = try node.install(try FaultyModule.image(2, .segv))
    _ = try node.agent.activate(transaction)
    try node.load(trigger: [0])
    expectFault(node, .segv, .rolledBack)
    #expect(throws: Refusal.self) { try node.agent.confirm(transaction) }
    _ = try node.agent.activate(transaction)
    try node.load()
    try node.agent.confirm(transaction)
    try node.load()
    node.expectConservation()
    #expect((node.marks[2] ?? 0) > 0)
  }

  @Test func `a module that writes to a packet faults where packets are read-only`() throws {
    let node = try GuardedNode(workers: 1, packetsAreReadOnly: true)
    let transaction = try node.install(try FaultyModule.image(2, .write))
    try node.load()
    _ = try node.agent.activate(transaction)
    try node.load(trigger: [0])
    expectFault(node, .write, .rolledBack)
    try node.load(trigger: [0])
    node.expectConservation()
  }

  /// Waits until the agent has answered for the fault, and checks what it says.
  private func expectFault(
    _ node: GuardedNode, _ failure: Failure, _ state: TransactionState,
    _ location: SourceLocation = #_sourceLocation
  ) {
    let isOver = eventually(within: 60) {
      node.agent.status().transactionState == state && node.agent.lastFault != nil
    }
    let report = node.agent.lastFault
    // Of a batch that is not ended it matters whether anybody has asked for it.
    #expect(
      isOver, "\(node.agent.status()), \(node.agent.lateSignals) signals",
      sourceLocation: location)
    #if arch(x86_64)
    #expect(report?.cause == failure.cause, sourceLocation: location)
    #endif
    #expect(report?.place?.module == "qer 1.0.2", sourceLocation: location)
    #expect(report?.place?.symbol != nil, "\(report as Any)", sourceLocation: location)
    #expect(report?.worker.hasPrefix("upf-worker-") == true, sourceLocation: location)
  }
}
