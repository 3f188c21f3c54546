internal import CGuard
package import CHitless
internal import Glibc
package import Refusal

/// Where copies of batches are run: a place under the guard that is no worker's, and memory for two copies.
///
/// It has a record like a worker's, because the guard's handlers need one; no view is published to it and no grace
/// period waits for it.
///
/// Threading: one thread at a time, between `enter` and `leave`; the record lives as long as the room.
@safe
package final class ShadowBench: @unchecked Sendable {
  /// What the reports of faults call its thread.
  package static let name = "shadow"

  private let room: GuardRoom
  private let workerGuard: WorkerGuard
  private let worker: UnsafeMutablePointer<hitless_worker>
  private let view: UnsafeMutablePointer<hitless_view>
  private let host: UnsafeMutablePointer<hitless_shadow_options>
  private let copySize: Int
  private let copies: UnsafeMutableRawPointer
  private let calls: UnsafeMutablePointer<hitless_shadow_call>
  private let lists: UnsafeMutablePointer<hitless_shadow_output>

  /// What became of two copies of one batch.
  package enum Outcome: Sendable {
    /// They differ so; empty when they do not.
    case compared([ShadowDifference])
    /// The host could not run the copy any more.
    case stale
    /// The candidate has faulted, which the guard has reported.
    case faulted
    /// Stable has faulted, of which nobody else has heard; the candidate has not run.
    case stableFaulted(GuardFault)
  }

  /// Makes the place; throws without memory.
  package init(_ host: ShadowHost, in room: GuardRoom) throws(Refusal) {
    let host = unsafe host.options
    self.room = room
    copySize = (Int(unsafe host.copy_size) + 63) / 64 * 64
    let limit = Int(unsafe host.output_limit)
    let listSize = unsafe 2 * limit * MemoryLayout<hitless_shadow_output>.stride
    let head = 1024
    var memory: UnsafeMutableRawPointer?
    // SAFETY: on success the call has stored memory of that size.
    guard unsafe posix_memalign(&memory, 128, head + listSize + 2 * copySize + 64) == 0,
      let memory = unsafe memory
    else { throw Refusal(.noSpace, "no memory to run copies of batches in") }
    unsafe memory.initializeMemory(
      as: UInt8.self, repeating: 0, count: head + listSize + 2 * copySize + 64)
    unsafe worker = memory.bindMemory(to: hitless_worker.self, capacity: 1)
    unsafe view = (memory + 256).bindMemory(to: hitless_view.self, capacity: 1)
    unsafe self.host = (memory + 512).bindMemory(to: hitless_shadow_options.self, capacity: 1)
    unsafe self.host.initialize(to: host)
    unsafe lists = (memory + head).bindMemory(to: hitless_shadow_output.self, capacity: 2 * limit)
    unsafe copies = memory + head + (listSize + 63) / 64 * 64
    unsafe worker.pointee.size = UInt32(MemoryLayout<hitless_worker>.size)
    unsafe calls = (memory + 768).bindMemory(to: hitless_shadow_call.self, capacity: 2)
    for side in 0..<2 {
      let copy = unsafe copies + side * copySize
      unsafe calls[side] = unsafe hitless_shadow_call(host: self.host, copy: copy)
    }
    guard let made = unsafe room.makeGuard(for: worker, ofCopies: true) else {
      unsafe free(memory)
      throw Refusal(.noSpace, "no memory to guard copies of batches")
    }
    workerGuard = made
    // The watchdog may look at the record as long as the room lives.
    unsafe room.keep(memory)
  }

  /// Prepares the calling thread, which the watchdog looks at from here on.
  package func enter() {
    workerGuard.seat(name: Self.name, signal: room.options.signal)
    room.beginCopies()
  }

  /// Gives the calling thread back what it had.
  package func leave() {
    room.endCopies()
    workerGuard.leave()
  }

  /// Runs a copy on `stable` and on `candidate`, both under the guard, and compares what they put out.
  ///
  /// Both generations must be held by the caller. Blocks for as long as both runs take; each is over when its
  /// time budget is.
  package func compare(
    _ copy: UnsafeRawBufferPointer, _ stable: UnsafePointer<hitless_generation>,
    _ candidate: UnsafePointer<hitless_generation>, breaker: UnsafeMutablePointer<hitless_breaker>
  ) -> Outcome {
    guard copy.count <= copySize, let bytes = copy.baseAddress else { return .stale }
    for side in 0..<2 {
      unsafe calls[side].copy.copyMemory(from: bytes, byteCount: copy.count)
    }
    guard begin(0) else { return .stale }
    defer { end(0) }
    unsafe setView(serving: stable, stable: stable, candidate: nil, breaker: nil)
    var first: Int32 = 0
    guard unsafe hitless_guard_try(worker, view, runCopy, calls, &first) != 0 else {
      return .stableFaulted(workerGuard.faultOfStable())
    }
    guard begin(1) else { return .stale }
    defer { end(1) }
    unsafe setView(serving: candidate, stable: stable, candidate: candidate, breaker: breaker)
    var second: Int32 = 0
    guard unsafe hitless_guard_try(worker, view, runCopy, calls + 1, &second) != 0 else {
      return .faulted
    }
    let old = unsafe outputs(0)
    let new = unsafe outputs(1)
    return .compared(unsafe ShadowDifference.between(old, new, statuses: (first, second)))
  }
}

extension ShadowBench {
  /// Makes the one view of this place say what the next run is for.
  private func setView(
    serving: UnsafePointer<hitless_generation>, stable: UnsafePointer<hitless_generation>,
    candidate: UnsafePointer<hitless_generation>?, breaker: UnsafeMutablePointer<hitless_breaker>?
  ) {
    let share = unsafe candidate == nil ? 0 : HITLESS_SHARE_ALL
    unsafe view.initialize(
      to: hitless_view(
        size: UInt32(MemoryLayout<hitless_view>.size), share: share,
        sequence: view.pointee.sequence + 1, serving: serving, stable: stable,
        candidate: candidate, deadline: 0, lines: nil, line_count: 0, turns: share, reserved0: 0,
        breaker: breaker, shadow: nil, states: nil, reserved1: (0, 0, 0, 0)))
  }

  /// Whether the host could prepare a copy.
  private func begin(_ side: Int) -> Bool {
    guard let begin = unsafe host.pointee.begin else { return true }
    return unsafe begin(host.pointee.context, calls[side].copy) == 0
  }

  private func end(_ side: Int) {
    unsafe host.pointee.end?(host.pointee.context, calls[side].copy)
  }

  /// What a run has put out, as the host lists it.
  private func outputs(_ side: Int) -> UnsafeBufferPointer<hitless_shadow_output> {
    let limit = Int(unsafe host.pointee.output_limit)
    let list = unsafe lists + side * limit
    guard let outputs = unsafe host.pointee.outputs else {
      return unsafe UnsafeBufferPointer(start: list, count: 0)
    }
    let count = unsafe Int(outputs(host.pointee.context, calls[side].copy, list))
    return unsafe UnsafeBufferPointer(start: list, count: min(count, limit))
  }
}

/// `hitless_shadow_run` as a pipeline function.
private let runCopy: hitless_pipeline = { view, call in
  guard let view = unsafe view, let call = unsafe call else { return 0 }
  return unsafe hitless_shadow_run(view, call)
}
