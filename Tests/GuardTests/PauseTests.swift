import CGuard
import CHitless
import CUPF
import Glibc
import Guard
import HotSwap
import TestSupport
import Testing

/// What a pipeline function of the host does with the guard, before and after it calls a module.
@Suite("Pauses of the guard", .serialized)
struct PauseTests {
  /// Signals are held back by ThreadSanitizer until the thread calls the C library.
  private static let isPrompt = !Sanitizer.isThread

  @Test(.enabled(if: isPrompt)) func `a late batch is ended, but not while the guard is paused`()
    throws
  {
    let home = try GuardedDomain()
    let host = try PausingHost(home)
    #expect(host.run([.late]) == 1)
    #expect(home.takeFault()?.reason == .overBudget)
    try home.tryCandidate()
    #expect(host.run([.pause, .late, .resume]) == 2)
    #expect(home.room.all.allSatisfy { $0.faults == 1 })
    #expect(host.applied == 3)
    try host.end()
  }

  @Test(.enabled(if: isPrompt)) func `after a pause a batch has its time, and may be late, anew`()
    throws
  {
    let home = try GuardedDomain()
    let host = try PausingHost(home)
    // The watchdog has looked before the pause, and its signal comes after it.
    #expect(host.run([.look, .pause, .resume, .lateSinceLook]) == 2)
    #expect(host.run([.pause, .resume, .look, .lateSinceLook]) == 1)
    #expect(home.takeFault()?.reason == .overBudget)
    try host.end()
  }

  @Test(.enabled(if: isPrompt)) func `a pause within a pause ends with the outer one`() throws {
    let home = try GuardedDomain()
    let host = try PausingHost(home)
    #expect(host.run([.pause, .pause, .resume, .late, .resume]) == 2)
    #expect(host.run([.pause, .pause, .resume, .resume, .late]) == 1)
    #expect(host.applied == 3)
    try host.end()
  }

  @Test(.enabled(if: isPrompt)) func `a pause behind the commit point opens nothing again`()
    throws
  {
    let home = try GuardedDomain()
    let host = try PausingHost(home)
    #expect(host.run([.commit, .pause, .late, .resume, .late]) == 2)
    #expect(host.applied == 2)
    try host.end()
  }

  @Test func `where nothing is guarded a pause changes nothing`() throws {
    let home = try GuardedDomain()
    let host = try PausingHost(home)
    try home.goBack()
    let before = host.mark
    #expect(host.run([.pause, .pause, .resume, .resume]) == 1)
    #expect(host.mark == before && before % 2 == 0)
    try host.end()
  }

  /// The watchdog itself, and a budget that is over long before the loop is.
  @Test(.enabled(if: isPrompt)) func `a module that loops after a pause is found as before it`()
    throws
  {
    let home = try GuardedDomain(.loop) { $0.batchBudget = 100_000_000 }
    let host = try PausingHost(home)
    #expect(host.run([.pause, .resume, .trigger, .module]) == 1)
    #expect(home.takeFault()?.reason == .overBudget)
    try host.end()
  }

  /// In the C library, where it would be taken for the candidate's without the pause.
  @Test func `a fault while the guard is paused is the host's`() async {
    await #expect(processExitsWith: .exitCode(27)) {
      unsafe Host.install(SIGSEGV) { _, info, _ in
        _exit(unsafe Host.address(of: info) == 8 ? 27 : 1)
      }
      let home = try GuardedDomain()
      let host = try PausingHost(home)
      #expect(host.run([.pause, .resume, .fault]) == 1)
      #expect(home.takeFault()?.reason.name == "SIGSEGV")
      try home.tryCandidate()
      _ = host.run([.pause, .fault, .resume])
    }
  }
}

/// A worker whose pipeline function carries out steps while the candidate has the batch, and whose candidate is on
/// trial.
///
/// A batch that is left forgets its stack: so everything is in memory that was allocated before.
@safe
private final class PausingHost {
  enum Step: Int32 {
    case pause, resume, commit
    /// Calls the module, which fails from here on.
    case module, trigger
    /// Says that the batch, as it is at this moment, is late.
    case late
    /// The same in two steps: which one it is, and that it is late.
    case look, lateSinceLook
    /// Lets the C library write where nothing is.
    case fault
  }

  private let home: GuardedDomain
  private let worker: UnsafeMutablePointer<hitless_worker>
  private let work: UnsafeMutablePointer<Work>
  private static let limit = 8

  @unsafe
  struct Work {
    var batch = unsafe upf_batch()
    var worker: UnsafeMutablePointer<hitless_worker>
    var signal: Int32
    let steps = UnsafeMutablePointer<Int32>.allocate(capacity: PausingHost.limit)
    var count = 0
    /// What pauses have returned that are not over.
    let paused = UnsafeMutablePointer<UInt64>.allocate(capacity: PausingHost.limit)
    var depth = 0
    var look: UInt64 = 0
    var applied = 0
  }

  init(_ home: GuardedDomain) throws {
    self.home = home
    unsafe worker = try home.domain.registerWorker(name: "pausing")
    unsafe work = .allocate(capacity: 1)
    unsafe work.initialize(to: Work(worker: worker, signal: home.room.options.signal))
    let packet = UnsafeMutablePointer<upf_packet>.allocate(capacity: 1)
    unsafe packet.initialize(to: upf_packet())
    unsafe work.pointee.batch.packets = UnsafePointer(packet)
    unsafe work.pointee.batch.verdicts = .allocate(capacity: 1)
    unsafe work.pointee.batch.updates = .allocate(capacity: 1)
    unsafe work.pointee.batch.count = 1
    try home.tryCandidate()
    // The guard has seen now that the host says where its commit point is.
    let version = run([])
    #expect(version == 2)
  }

  /// Runs one batch and returns the version of the module that has done it.
  func run(_ steps: [Step]) -> Int32 {
    precondition(steps.count <= Self.limit, "there is no room for more")
    for (index, step) in steps.enumerated() { unsafe work.pointee.steps[index] = step.rawValue }
    unsafe work.pointee.count = steps.count
    unsafe UnsafeMutablePointer(mutating: work.pointee.batch.packets)?.pointee.destination_port = 0
    return unsafe hitless_run_batch(worker, pipeline, work)
  }

  /// Batches that were applied.
  var applied: Int { unsafe work.pointee.applied }
  /// By which the guard knows the batch.
  var mark: UInt64 { unsafe worker.pointee.guarded }

  func end() throws { unsafe try home.domain.unregisterWorker(worker) }

  /// Carries out one step.
  fileprivate static func carryOut(
    _ step: Step, _ work: UnsafeMutablePointer<Work>, _ view: UnsafePointer<hitless_view>
  ) {
    let worker = unsafe work.pointee.worker
    switch step {
    case .pause:
      unsafe work.pointee.paused[work.pointee.depth] = hitless_pause_guard(worker)
      unsafe work.pointee.depth += 1
    case .resume:
      unsafe work.pointee.depth -= 1
      unsafe hitless_resume_guard(worker, work.pointee.paused[work.pointee.depth])
    case .commit: unsafe hitless_commit(worker)
    case .module: unsafe call(view, work)
    case .trigger:
      unsafe UnsafeMutablePointer(mutating: work.pointee.batch.packets)?.pointee
        .destination_port = 6666
    case .late: unsafe tell(work, worker.pointee.guarded)
    case .look: unsafe work.pointee.look = worker.pointee.guarded
    case .lateSinceLook: unsafe tell(work, work.pointee.look)
    case .fault:
      unsafe memset(UnsafeMutableRawPointer(bitPattern: 8) ?? UnsafeMutableRawPointer(work), 0, 64)
    }
  }

  /// Does what the watchdog does; the signal is there before this returns.
  private static func tell(_ work: UnsafeMutablePointer<Work>, _ batch: UInt64) {
    guard let record = unsafe work.pointee.worker.pointee.guard else { return }
    unsafe hitless_guard_tell(
      record.assumingMemoryBound(to: hitless_guard.self), batch, work.pointee.signal)
  }

  fileprivate static func call(
    _ view: UnsafePointer<hitless_view>, _ work: UnsafeMutablePointer<Work>
  ) {
    unsafe work.pointee.batch.verdicts[0] = upf_verdict()
    let table = unsafe hitless_table(view, 0)?.assumingMemoryBound(to: upf_qer_table.self)
    unsafe table?.pointee.process?(nil, &work.pointee.batch)
  }
}

private let pipeline: hitless_pipeline = { view, context in
  guard let view = unsafe view, let context = unsafe context else { return -1 }
  let work = unsafe context.assumingMemoryBound(to: PausingHost.Work.self)
  unsafe work.pointee.depth = 0
  unsafe PausingHost.call(view, work)
  let isOnTrial = unsafe view.pointee.candidate != nil
  for index in unsafe 0..<work.pointee.count {
    guard let step = unsafe PausingHost.Step(rawValue: work.pointee.steps[index]) else { return -2 }
    let isPause = step == .pause || step == .resume
    if isOnTrial || isPause { unsafe PausingHost.carryOut(step, work, view) }
  }
  unsafe hitless_commit(work.pointee.worker)
  unsafe work.pointee.applied += 1
  return unsafe Int32(work.pointee.batch.verdicts[0].qer_mark)
}
