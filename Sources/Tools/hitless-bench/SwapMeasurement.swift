internal import CHitless
internal import CPathBench
internal import Glibc
internal import HotSwap
internal import Platform
internal import Refusal

/// A worker that runs batch after batch, and a thread that swaps under it.
struct SwapMeasurement: Sendable {
  let modules: PathModules
  let state: PathState
  let swaps: Int
  /// Whether the moments of swaps are placebos too: then nothing may be found.
  let rehearses: Bool
  let options: Processors

  /// Where the two threads run.
  struct Processors: Sendable {
    let worker: Int32
    let agent: Int32
  }

  /// What the agent's thread has seen.
  private struct Seen: Sendable {
    var figures = SwapFigures()
    var events: [SwapEvent] = []
    /// The generation in force: its build, and whether one module of it is replaced.
    var build = 0
    var isVariant = false
    /// How long the last grace period was: so long a placebo looks at the worker's word.
    var lastGrace: UInt64 = 0
  }

  /// Swaps until there were enough, then ends the worker and adds everything up.
  func run() throws(Refusal) -> SwapFigures {
    let watch = Watch(
      state: state, driver: modules, views: swaps * (SwapArm.allCases.count + 2) + 1)
    let worker: SystemThread
    do throws(SystemError) {
      worker = try SystemThread.start("bench-worker") { [modules, options] in
        watch.run(in: modules.domain, onProcessor: options.worker)
      }
    } catch {
      throw error.refusal
    }
    let swapped = Result { () throws(Refusal) in
      try runPinned("bench-agent", onProcessor: options.agent) {
        () throws(Refusal) in try observe(watch)
      }
    }
    watch.stop()
    worker.join()
    let seen = try swapped.get()
    var figures = seen.figures
    try watch.add(to: &figures, seen.events)
    figures.packets = state.received
    figures.forwarded = state.forwarded
    figures.lost = state.lost
    figures.mixed = state.mixed
    return figures
  }

  private func observe(_ watch: Watch) throws(Refusal) -> Seen {
    // Long enough for the worker to have warmed up.
    while watch.batches < 100_000 { try watch.check(); usleep(1000) }
    let interrupts = try InterruptCounter(processor: options.worker)
    try interrupts.check()
    var seen = Seen()
    var random = Random()
    seen.figures.machine.look(atProcessor: options.worker, time: MonotonicClock.now)
    for _ in 0..<swaps {
      // Each kind once, in any order: what changes with time changes for all of them.
      for arm in SwapArm.allCases.shuffled(using: &random) {
        try observe(arm, watch, interrupts, &seen)
        // At no fixed distance, so that no other period of the machine is met again and again.
        usleep(UInt32.random(in: 50..<200, using: &random))
      }
    }
    seen.figures.machine.look(atProcessor: options.worker, time: MonotonicClock.now)
    return seen
  }

  /// One moment: looks, acts, waits until the worker has looked too, looks again.
  private func observe(
    _ arm: SwapArm, _ watch: Watch, _ interrupts: borrowing InterruptCounter, _ seen: inout Seen
  ) throws(Refusal) {
    var event = SwapEvent(arm: arm)
    let (before, switches) = (interrupts.count, watch.switches)
    try act(&event, watch, &seen)
    // Until the worker has looked at its context switches at least once after the batch in question.
    watch.pass(UInt64(PATH_WINDOW) + 8)
    event.batches = watch.batches(around: event.time)
    event.wasSwitchedOut = watch.switches != switches
    event.wasInterrupted = interrupts.count != before
    seen.events.append(event)
  }

  /// How long an announcement may take, in nanoseconds: as long as the agent lets it.
  private static let announcementLimit: UInt64 = 5_000_000
  /// What grace periods take when the worker runs, in nanoseconds.
  private static let longestLook: UInt64 = 5000

  private func act(
    _ event: inout SwapEvent, _ watch: Watch, _ seen: inout Seen
  ) throws(Refusal) {
    switch event.arm {
    case .swap where !rehearses, .coldSwap: seen.build = 1 - seen.build
    case .one, .coldOne: seen.isVariant.toggle()
    case .view: break
    case .swap, .placebo:
      event.time = MonotonicClock.now
      return watch.look(forNanoseconds: min(seen.lastGrace, Self.longestLook))
    }
    let generations = seen.isVariant ? modules.variants : modules.generations
    let next = generations[seen.build]
    if event.arm.isAnnounced { try announce(next, &seen) }
    let publication = try modules.domain.publish(stable: next)
    guard
      case .passed(let grace) = modules.domain.waitForGrace(publication, timeout: 1_000_000_000)
    else {
      throw Refusal(.state, "the worker has not passed a swap within a second")
    }
    seen.lastGrace = grace.nanoseconds
    (event.sequence, event.time) = (publication.sequence, publication.startNanoseconds)
    if event.arm == .swap {
      seen.figures.publish.append(Double(publication.publishNanoseconds))
      seen.figures.grace.append(Double(grace.nanoseconds))
    }
  }
}

extension SwapMeasurement {
  private func announce(_ next: Generation, _ seen: inout Seen) throws(Refusal) {
    let start = MonotonicClock.now
    if try modules.domain.announce(next, timeout: Self.announcementLimit) {
      seen.figures.announcement.append(Double(MonotonicClock.now - start))
    } else {
      seen.figures.unready += 1
    }
  }
}

/// Numbers that are the same in every run (xorshift).
struct Random: RandomNumberGenerator {
  private var state: UInt64 = 0x9e37_79b9_7f4a_7c15

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}
