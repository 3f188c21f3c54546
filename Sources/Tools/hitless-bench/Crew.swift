internal import CHitless
internal import CPathBench
internal import HotSwap
internal import Platform
internal import Refusal

/// Workers whose code can be changed in several ways while they serve batches.
///
/// Threading: made, used and ended by one thread. Members write only their own records, which are read by `passages`
/// as crew.h says.
@safe
final class Crew: @unchecked Sendable {
  private let modules: PathModules
  private let states: [PathState]
  private let crew: UnsafeMutablePointer<crew>
  private let members: [UnsafeMutablePointer<crew_member>]
  private let histories: [UnsafeMutablePointer<crew_batch>]
  private let failure = Guarded<Refusal?>(nil)
  private let running = Guarded(0)

  /// Builds of the stages, as their tables.
  private let tables: [[UnsafePointer<path_stage_table>?]]

  /// One thread on each of `processors`, each with a path of its own with so many sessions.
  init(modules: PathModules, sessions: UInt32, processors: [Int32]) throws(Refusal) {
    self.modules = modules
    var states: [PathState] = []
    for _ in processors { states.append(try PathState(sessions: sessions)) }
    self.states = states
    let crew = UnsafeMutablePointer<crew>.allocate(capacity: 1)
    unsafe crew.initialize(to: CPathBench.crew())
    unsafe self.crew = crew
    unsafe histories = processors.map { _ in
      let history = UnsafeMutablePointer<crew_batch>.allocate(capacity: Int(CREW_HISTORY))
      unsafe history.initialize(repeating: crew_batch(), count: Int(CREW_HISTORY))
      return unsafe history
    }
    unsafe members = processors.map { _ in
      let member = UnsafeMutablePointer<crew_member>.allocate(capacity: 1)
      unsafe member.initialize(to: crew_member())
      return unsafe member
    }
    unsafe tables = modules.generations.map { generation in
      unsafe generation.modules.map {
        unsafe $0.table.assumingMemoryBound(to: path_stage_table.self)
      }
    }
    unsafe write(tables[0])
    for index in states.indices {
      let member = unsafe members[index]
      unsafe member.pointee.crew = crew
      unsafe member.pointee.state = states[index].pointer
      unsafe member.pointee.driver = modules.driver
      unsafe member.pointee.history = histories[index]
    }
    unsafe crew.pointee.by_view = 1
    for (index, processor) in processors.enumerated() { try start(index, processor) }
  }

  deinit {
    unsafe members.forEach { unsafe $0.deallocate() }
    unsafe histories.forEach { unsafe $0.deallocate() }
    unsafe crew.deallocate()
  }

  private func write(_ stages: [UnsafePointer<path_stage_table>?]) {
    // SAFETY: the struct's tuple of pointers is as long as there are stages.
    unsafe withUnsafeMutableBytes(of: &crew.pointee.stages) { bytes in
      let words = unsafe bytes.bindMemory(to: UnsafePointer<path_stage_table>?.self)
      for index in words.indices { unsafe words[index] = stages[index] }
    }
  }

  private func start(_ index: Int, _ processor: Int32) throws(Refusal) {
    running.withLock { $0 += 1 }
    do throws(SystemError) {
      try SystemThread.start("bench-crew-\(index)") { [self] in
        do throws(Refusal) {
          try pin(to: processor)
          let worker = try unsafe modules.domain.registerWorker(name: "bench-crew-\(index)")
          unsafe members[index].pointee.worker = worker
          unsafe crew_run(members[index])
          unsafe try modules.domain.unregisterWorker(worker)
        } catch {
          failure.withLock { $0 = error }
        }
        running.withLock { $0 -= 1 }
      }.detach()
    } catch {
      running.withLock { $0 -= 1 }
      throw error.refusal
    }
  }

  /// How many there are.
  var count: Int { unsafe members.count }
  /// Packets that are in no book, over all.
  var lost: Int64 { states.reduce(0) { $0 + $1.lost } }

  /// Ends all members; their records stay.
  func stop() {
    unsafe crew_stop(crew)
    while running.withLock({ $0 }) > 0 { pause(microseconds: 50) }
  }

  /// Waits until each member has served so many more batches.
  func pass(_ batches: UInt64) throws(Refusal) {
    let targets = unsafe members.map { unsafe crew_batches($0) + batches }
    let deadline = MonotonicClock.now + 5_000_000_000
    for (index, target) in targets.enumerated() {
      while unsafe crew_batches(members[index]) < target {
        if let failure = failure.withLock({ $0 }) { throw failure }
        guard MonotonicClock.now < deadline else {
          throw Refusal(.state, "a worker has served nothing for five seconds")
        }
        pause(microseconds: 5)
      }
    }
  }

  /// How often each member had to give the processor away.
  var preemptions: [UInt64] { unsafe members.map { unsafe crew_preemptions($0) } }

  /// Has batches served through views, or through the functions that are patched.
  func serve(byView: Bool) throws(Refusal) {
    unsafe crew_serve(crew, byView ? 1 : 0)
    try pass(64)
  }

  /// What every member went through since `time`; nil for one that does not remember.
  func passages(since time: UInt64, until end: UInt64, build: Int) -> [crew_passage?] {
    unsafe members.map { member in
      var passage = crew_passage()
      let found = unsafe crew_passage_of(member, time, end, UInt64(build + 1), &passage)
      return found == 0 ? passage : nil
    }
  }

  /// Parks all members in a handler, changes the functions and lets them go.
  func swapBySignals(to build: Int) throws(Refusal) {
    let pointers: [UnsafeMutablePointer<crew_member>?] = unsafe members.map { unsafe $0 }
    // SAFETY: both arrays live for the call and are as long as said.
    guard
      unsafe crew_swap_by_signals(crew, pointers, UInt32(pointers.count), tables[build]) == 0
    else { throw Refusal(.state, "a worker has not come into the handler within a second") }
  }

  /// What another process must do to change the functions.
  func order(to build: Int) -> crew_order {
    var order = crew_order()
    unsafe withUnsafeMutableBytes(of: &order.threads) { bytes in
      let threads = unsafe bytes.bindMemory(to: Int32.self)
      for index in states.indices { unsafe threads[index] = crew_thread(members[index]) }
    }
    order.count = UInt32(count)
    unsafe order.address = UInt64(UInt(bitPattern: crew))
    unsafe withUnsafeMutableBytes(of: &order.words) { bytes in
      let words = unsafe bytes.bindMemory(to: UInt64.self)
      for index in words.indices {
        unsafe words[index] = UInt64(UInt(bitPattern: tables[build][index]))
      }
    }
    return order
  }
}
