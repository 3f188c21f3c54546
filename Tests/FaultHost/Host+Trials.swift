import Agent
import CFaultLoad
import CHitless
import Glibc
import Guard
import Probation
import Refusal

/// Trials that go by themselves, under load.
///
/// The worker runs batches while an order waits for something, and none in between: so a rollout goes no further
/// than the order has waited for, and what the next order begins with is known.
extension Host {
  /// Obeys one of these orders; nil when it is none.
  func tryOut(_ word: String, _ argument: String?) throws(Refusal) -> String? {
    switch word {
    case "rollout":
      let kind = RolloutPlan.Kind.allCases.first { $0.name == argument } ?? .batches
      _ = try running().activate(try running().currentTransaction(), Self.plan(kind))
    case "step":
      let share = UInt32(argument ?? "") ?? RolloutPlan.all
      try unsafe runBatches { worker in unsafe fault_load_share(worker) >= share }
      try wait(for: "stepped")
    case "finish":
      let agent = try running()
      try unsafe runBatches { _ in agent.status().transactionState == .confirmed }
      try wait(for: "confirmed")
    case "shadow":
      _ = try running().activate(
        try running().currentTransaction(),
        shadow: ShadowPlan(share: RolloutPlan.all, batches: 20))
    case "compared":
      let agent = try running()
      try unsafe runBatches { _ in !agent.shadowIsUnderWay }
      guard agent.status().transactionState == .active else {
        throw Refusal(.state, "the shadow has not ended well")
      }
      try wait(for: "stepped")
    case "fault": try fault()
    case "damage": try damage()
    case "golden":
      guard try running().checkGoldenImages() > 0 else {
        throw Refusal(.state, "nothing has changed in memory")
      }
    case "load": try unsafe asWorker { unsafe books?.run($0) }
    case "misfire":
      let agent = try running()
      _ = try agent.activate(try agent.currentTransaction())
      try wait(for: "breaker-opened")
      guard !agent.isMigrating else { throw Refusal(.state, "records are still on their way") }
    default: return nil
    }
    return ""
  }

  /// Three steps, each as short as it can be; times are not compared.
  private static func plan(_ kind: RolloutPlan.Kind) -> RolloutPlan {
    var plan = RolloutPlan()
    plan.kind = kind
    plan.steps = [13_107, 32_768, RolloutPlan.all].map { .share($0) }
    plan.dwell = 5_000_000
    plan.confirmsByItself = true
    plan.thresholds.minimumPackets = 300
    plan.thresholds.minimumSamples = 20
    plan.thresholds.timeFloorNanoseconds = 1 << 40
    plan.thresholds.coldFloorNanoseconds = 1 << 40
    return plan
  }

  /// Runs batches until something is so, or nothing is on trial any more.
  ///
  /// A few at a time: far fewer than a step of a rollout needs.
  private func runBatches(
    until isSo: (UnsafeMutablePointer<hitless_worker>) -> Bool
  ) throws(Refusal) {
    let agent = try running()
    try unsafe asWorker { worker throws(Refusal) in
      var number: Int32 = 0
      while unsafe !isSo(worker) {
        guard agent.status().transactionState == .active else {
          if unsafe isSo(worker) { return }
          throw Refusal(.state, "nothing is on trial any more")
        }
        for _ in 0..<10 {
          number = (number + 1) % 600
          unsafe _ = fault_load_run(worker, number)
        }
        usleep(50)
      }
    }
  }

  /// Waits for the next event of a kind, which is the last thing that whoever makes it does.
  private func wait(for kind: String) throws(Refusal) {
    let agent = try running()
    while let event = agent.nextEvent(after: seenEvents, timeout: 100_000_000_000) {
      seenEvents = event.number
      if event.kind == kind { return }
    }
    throw Refusal(.state, "nobody has said '\(kind)'")
  }

  /// Has what is under guard fault in a batch, and waits until that was answered for.
  private func fault() throws(Refusal) {
    let answer = try unsafe asWorker { unsafe fault_load_run($0, FAULT_LOAD_TRAP) }
    guard answer > 0 else { throw Refusal(.state, "the batch was not run again") }
    try wait(for: "breaker-opened")
  }

  /// Changes the last byte of the code of what is under guard, which nobody calls.
  private func damage() throws(Refusal) {
    let address = try unsafe asWorker { worker -> UInt64? in
      guard let view = unsafe hitless_enter(worker), let found = unsafe view.pointee.candidate,
        let module = unsafe found.pointee.modules[0]
      else { return nil }
      return unsafe module.pointee.code_address + module.pointee.code_size - 1
    }
    let memory = unsafe open("/proc/self/mem", O_RDWR | O_CLOEXEC)
    defer { Glibc.close(memory) }
    guard let address, memory >= 0 else { throw Refusal(.state, "nothing is under guard") }
    var byte: UInt8 = 0
    // SAFETY: one byte is read and written; the page is a private copy from here on.
    guard unsafe pread(memory, &byte, 1, off_t(address)) == 1 else {
      throw Refusal(.io, "cannot read the module")
    }
    byte ^= 0x10
    guard unsafe pwrite(memory, &byte, 1, off_t(address)) == 1 else {
      throw Refusal(.io, "cannot change the module")
    }
  }
}
