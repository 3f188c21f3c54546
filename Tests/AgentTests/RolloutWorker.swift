import Agent
import CHitless
import Glibc
import Platform
import Refusal
import TestSupport
import Testing

/// Packets of a batch, each of a flow of its own.
private let rolloutPackets = 32

/// What one worker does and has seen, where its pipeline function finds it.
@unsafe
struct RolloutBatches {
  var worker: UnsafeMutablePointer<hitless_worker>?
  var dropSignal: UInt32 = 0
  /// Batches, and those in which something was the candidate's.
  var batches: UInt64 = 0
  var candidates: UInt64 = 0
  /// Flows that were the candidate's in the view before, a bit each, and that went back without a rollback.
  var flows: UInt32 = 0
  var flipped: UInt32 = 0
  var served: UInt32 = 0
}

/// A thread that runs batches of packets through two slots, measures them and counts drops.
///
/// A module drops as many packets of a batch as its second function says, minus one.
final class RolloutWorker: Sendable {
  @safe private struct State: @unchecked Sendable {
    var isStopping = false
    var isReady = false
    var failure: Refusal?
    var seen = unsafe RolloutBatches()
  }

  private let state = Guarded(State())
  private let thread: Guarded<SystemThread?> = Guarded(nil)

  init(_ agent: Agent, _ name: String = "worker", dropSignal: UInt32 = 0) throws {
    let started = try SystemThread.start("test-worker") { [self] in work(agent, name, dropSignal) }
    var handle: SystemThread? = started
    thread.withLock { $0 = handle.take() }
    try #require(eventually { state.withLock { $0.isReady } })
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  private func work(_ agent: Agent, _ name: String, _ dropSignal: UInt32) {
    let batches = UnsafeMutablePointer<RolloutBatches>.allocate(capacity: 1)
    unsafe batches.initialize(to: RolloutBatches())
    defer { unsafe batches.deallocate() }
    do throws(Refusal) {
      unsafe batches.pointee.worker = try agent.registerWorker(name: name)
    } catch {
      return state.withLock { ($0.failure, $0.isReady) = (error, true) }
    }
    guard let worker = unsafe batches.pointee.worker else { return }
    unsafe batches.pointee.dropSignal = dropSignal
    while !state.withLock({ state in
      unsafe state.seen = batches.pointee
      state.isReady = true
      return state.isStopping
    }) {
      for _ in 0..<20 { _ = unsafe hitless_run_batch(worker, rolloutPipeline, batches) }
      usleep(200)
    }
    unsafe try? agent.unregisterWorker(worker)
  }

  /// What it has seen so far.
  var batches: UInt64 { state.withLock { unsafe $0.seen.batches } }
  /// Batches in which something was the candidate's.
  var candidates: UInt64 { state.withLock { unsafe $0.seen.candidates } }
  /// Flows that have gone back to stable.
  var flipped: UInt32 { state.withLock { unsafe $0.seen.flipped } }
  /// Flows that the candidate has served so far.
  var served: UInt32 { state.withLock { unsafe $0.seen.served } }

  func stop() {
    state.withLock { $0.isStopping = true }
    let handle = thread.withLock { $0.take() }
    handle?.join()
  }

  deinit { stop() }
}

/// One batch: split by flow where the view says so, measured where it is to be, then counted.
private let rolloutPipeline: hitless_pipeline = { view, context in
  guard let view = unsafe view, let context = unsafe context else { return 1 }
  let batches = unsafe context.assumingMemoryBound(to: RolloutBatches.self)
  guard let worker = unsafe batches.pointee.worker else { return 1 }
  let count = rolloutPackets
  var order = [UInt16](repeating: 0, count: count)
  let hashes = (0..<count).map { UInt32($0 * 2048 + 1024) }
  var parts = unsafe [hitless_part](repeating: hitless_part(), count: 3)
  var partCount = 1
  let share = unsafe view.pointee.share
  if unsafe view.pointee.candidate != nil, share > 0, share < 65_536 {
    partCount = unsafe Int(hitless_split(worker, view, hashes, UInt32(count), &order, &parts))
  } else {
    unsafe parts[0] = unsafe hitless_part(
      generation: view.pointee.serving, first: 0, count: UInt32(count), is_timed: 1, reserved: 0)
    order = (0..<count).map { UInt16($0) }
  }
  var drops: (UInt64, UInt64) = (0, 0)
  var flows: UInt32 = 0
  for index in 0..<partCount {
    let part = unsafe parts[index]
    guard unsafe part.count > 0, let generation = unsafe part.generation else { continue }
    let side = unsafe hitless_side(view, generation)
    unsafe rolloutCall(worker, generation, part, side, &drops)
    guard side == 1 else { continue }
    for place in unsafe part.first..<part.first + part.count { flows |= 1 << order[Int(place)] }
  }
  unsafe hitless_commit(worker)
  // Once it is confirmed it is stable, and everything is stable's.
  if unsafe view.pointee.candidate != nil { unsafe batches.pointee.note(flows) }
  unsafe batches.pointee.batches += 1
  unsafe rolloutCount(worker, batches, flows, drops)
  return 0
}

/// Calls both functions of the first slot for one part, and the second slot's.
private func rolloutCall(
  _ worker: UnsafeMutablePointer<hitless_worker>, _ generation: UnsafePointer<hitless_generation>,
  _ part: hitless_part, _ side: UInt32, _ drops: inout (UInt64, UInt64)
) {
  typealias Function = @convention(c) (Int32) -> Int32
  for slot in UInt32(0)..<2 {
    guard let table = unsafe hitless_generation_table(generation, slot) else { return }
    // SAFETY: the table of TestModule has these two functions.
    let functions = unsafe table.assumingMemoryBound(to: Function.self)
    let begin = unsafe hitless_slot_begin(worker)
    _ = unsafe functions[0](10)
    if unsafe part.is_timed != 0 {
      unsafe hitless_slot_end(worker, side, slot, begin)
    }
    let dropped = unsafe UInt64(min(UInt32(max(0, functions[1](0) - 1)), part.count))
    if side == 0 { drops.0 += dropped } else { drops.1 += dropped }
  }
}

/// Tells the agent of a batch.
private func rolloutCount(
  _ worker: UnsafeMutablePointer<hitless_worker>, _ batches: UnsafeMutablePointer<RolloutBatches>,
  _ flows: UInt32, _ drops: (UInt64, UInt64)
) {
  let candidates = UInt64(flows.nonzeroBitCount)
  let signal = unsafe batches.pointee.dropSignal
  unsafe hitless_signal_add(worker, 0, 0, UInt64(rolloutPackets) - candidates)
  unsafe hitless_signal_add(worker, 1, 0, candidates)
  guard signal > 0 else { return }
  unsafe hitless_signal_add(worker, 0, signal, drops.0)
  unsafe hitless_signal_add(worker, 1, signal, drops.1)
}

extension RolloutBatches {
  /// Remembers which flows were the candidate's in one batch.
  mutating func note(_ now: UInt32) {
    if now != 0 { unsafe candidates += 1 }
    unsafe flipped |= flows & ~now
    unsafe flows = now
    unsafe served |= now
  }
}
