internal import CGuard
package import CHitless
internal import CPlatform
internal import Glibc
package import Platform
package import Refusal
internal import Synchronization

/// The guards of a domain's workers, and the two threads that look after them.
///
/// One thread, the watchdog, takes no lock and allocates nothing, so that it can have a higher priority than
/// workers without ever waiting for somebody who has a lower one. The other is whoever calls `answerFault`.
///
/// Threading: any thread but a worker's packet path, except where it is said.
@safe
package final class GuardRoom: @unchecked Sendable {
  /// What is guarded.
  package let options: GuardOptions
  let wake: SignalPipe
  let bell: SignalPipe
  /// The newest record; the others hang on it.
  ///
  /// Ordering: release when a record is added, acquire by the watchdog, which then finds it filled in. Records
  /// are not taken off while the room lives.
  let first = Atomic<UInt>(0)
  let isWatching = Atomic<Bool>(false)
  /// Whether copies of batches are run.
  ///
  /// Apart from `isWatching`, because a run may be under way when the trial that it belongs to has ended; unless
  /// somebody watches it, it may never end.
  ///
  /// Ordering: release by the thread that runs them, acquire by the watchdog, as with `isWatching`.
  let isCopying = Atomic<Bool>(false)
  /// The newest view for whose grace period somebody waits or has waited, and the newest that every worker has reached.
  ///
  /// As long as they differ, a worker may be in the middle of a batch of a candidate that is out of force: unless
  /// somebody watches it, the batch may never end.
  ///
  /// Ordering: release by who waits, acquire by the watchdog, as with `isWatching`.
  let awaited = Atomic<UInt64>(0)
  let settled = Atomic<UInt64>(0)
  let isStopping = Atomic<Bool>(false)
  /// What the kernel has given the watchdog: a real-time priority, 0 for none, -1 before anybody has asked.
  ///
  /// Ordering: relaxed everywhere; nothing is read because of it. Set by who begins a trial, by the watchdog, which looks
  /// at it each time, and before there is one by who asks what it would be given.
  let priority = Atomic<Int32>(-1)
  private let guards = Guarded<[WorkerGuard]>([])
  private let watchdog = Guarded(Watchdog())
  private let kept = Guarded(Kept())

  private struct Watchdog: ~Copyable {
    var thread: SystemThread?
  }

  /// Memory that the watchdog may look at until it has ended.
  @safe private struct Kept: @unchecked Sendable {
    var pieces: [UnsafeMutableRawPointer] = unsafe []
  }

  deinit {
    // The watchdog holds the room, so it has ended.
    kept.withLock { kept in
      while let piece = unsafe kept.pieces.popLast() { unsafe free(piece) }
    }
  }

  /// Gives a piece of allocated memory back when the room ends.
  func keep(_ memory: UnsafeMutableRawPointer) {
    kept.withLock { unsafe $0.pieces.append(memory) }
  }

  /// Makes a room without guards; no thread runs yet.
  package init(_ options: GuardOptions) throws(Refusal) {
    self.options = options
    do throws(SystemError) {
      wake = try SignalPipe()
      bell = try SignalPipe()
    } catch {
      throw error.refusal
    }
  }

  /// Makes a guard for a worker's record and lets the worker find it; nil without memory.
  ///
  /// The caller has the domain's lock, and no thread uses the worker's record yet.
  package func makeGuard(
    for worker: UnsafeMutablePointer<hitless_worker>, ofCopies isForCopies: Bool = false
  ) -> WorkerGuard? {
    guards.withLock { guards in
      let next = first.load(ordering: .relaxed)
      let made = unsafe WorkerGuard(
        worker, wake: wake.writing, isCatching: options.mode != .off,
        isForCopies: isForCopies, next: UnsafeMutablePointer(bitPattern: next))
      guard let made else { return nil }
      unsafe worker.pointee.guard = UnsafeMutableRawPointer(made.record)
      unsafe worker.pointee.run_guarded = guardedRun
      guards.append(made)
      unsafe first.store(UInt(bitPattern: made.record), ordering: .releasing)
      return made
    }
  }

  /// Every guard there is, also those whose workers have gone.
  package var all: [WorkerGuard] { guards.withLock { $0 } }

  /// Lets the watchdog look at workers from here on, and puts the handlers in place.
  ///
  /// Call it before a candidate is published. Throws when faults could not be caught: then nothing may be
  /// published that needs it.
  package func begin(at placement: ThreadPlacement) throws(Refusal) {
    guard options.mode != .off else { return }
    try refreshHandlers()
    try watchdog.withLock { (watchdog) throws(Refusal) in
      isWatching.store(true, ordering: .releasing)
      if watchdog.thread == nil {
        do throws(SystemError) {
          watchdog.thread = try SystemThread.start("hitless-watch", at: placement) { [self] in
            watch()
          }
        } catch {
          throw error.refusal
        }
      }
      // It does so itself once it has a processor, which real-time workers on those that it keeps to need not leave it.
      let wanted = Self.priority(above: highestPriority())
      let isGranted = watchdog.thread?.setRealTimePriority(wanted) ?? false
      priority.store(isGranted ? wanted : 0, ordering: .relaxed)
    }
    bell.ring()
  }

  /// Lets the watchdog sleep, as soon as no worker can be in a view that was in force before, and unless copies are run.
  package func end() { isWatching.store(false, ordering: .releasing) }

  /// Keeps the watchdog awake until every worker has reached the view `sequence`.
  package func beginWait(for sequence: UInt64) {
    awaited.max(sequence, ordering: .releasing)
    // Who watches a trial need not be told.
    if !isWatching.load(ordering: .relaxed) && priority.load(ordering: .relaxed) != -1 {
      bell.ring()
    }
  }

  /// Every worker has reached the view `sequence`, and with it all before.
  package func endWait(for sequence: UInt64) { settled.max(sequence, ordering: .releasing) }

  /// Keeps the watchdog awake while the calling thread runs copies; one thread at a time.
  func beginCopies() {
    isCopying.store(true, ordering: .releasing)
    bell.ring()
  }

  /// The calling thread runs no copies any more.
  func endCopies() { isCopying.store(false, ordering: .releasing) }

  /// Puts the handlers before whatever the host has installed meanwhile.
  package func refreshHandlers() throws(Refusal) {
    var result = hitless_guard_install(options.signal)
    while result == HITLESS_GUARD_BUSY {
      usleep(50)
      result = hitless_guard_install(options.signal)
    }
    guard result >= 0 else {
      throw Refusal(
        .state,
        "the guard's signal handlers cannot be installed: too many others were, one after another",
        hint: "install the host's handlers once, or switch the guard off")
    }
  }

  /// Waits for the next fault, has it answered, and makes room for the worker's next report; returns the fault, nil
  /// when the room is closed.
  ///
  /// The guard that told is asked nothing twice: its worker may go while its fault is answered for, and another may
  /// sit there since. `look` is called whenever there is no fault to be found: a worker wakes this thread after each,
  /// also when there was no room for its report.
  package func answerFault(
    _ answer: (GuardFault) -> Void = { _ in }, elseLook look: () -> Void = {}
  ) -> GuardFault? {
    while !isStopping.load(ordering: .acquiring) {
      for one in all {
        if let fault = one.peek() {
          answer(fault)
          one.release()
          return fault
        }
        if let fault = one.takeUnreported() {
          answer(fault)
          return fault
        }
      }
      look()
      wake.wait()
    }
    return nil
  }

  /// Lets whoever waits in `answerFault` look at once.
  package func ringForAnswer() { wake.ring() }

  /// Whether a worker has reported a fault of the generation that nobody has answered for yet; none that is known to
  /// be from before the view `sequence`.
  package func hasFault(of generation: UInt64, since sequence: UInt64 = 0) -> Bool {
    all.contains { $0.hasFault(of: generation, since: sequence) }
  }

  /// Ends the watchdog, and the wait for faults.
  package func stop() {
    isStopping.store(true, ordering: .releasing)
    wake.ring()
    bell.ring()
    var thread = watchdog.withLock { $0.thread.take() }
    thread.take()?.join()
  }
}

/// `hitless_guard_run` as the worker's record holds it.
private let guardedRun: hitless_guarded_run = { worker, view, pipeline, batch in
  guard let worker = unsafe worker, let view = unsafe view, let pipeline = unsafe pipeline else {
    return 0
  }
  return unsafe hitless_guard_run(worker, view, pipeline, batch)
}
