import CHitless
import CUPF
import Platform
import Refusal
import Synchronization
import UPF

/// Stands for the agent: hands out worker records and puts generations in force, and forgets nothing.
///
/// Threading: any thread.
final class PuppetRegistry: WorkerRegistry, @unchecked Sendable {
  private let state: Guarded<State>

  /// Starts with the reference modules.
  convenience init() { unsafe self.init(Self.view(1, .first)) }

  /// Starts with modules that were built.
  convenience init(classify: LoadedTable, qer: LoadedTable) {
    unsafe self.init(Self.view(1, classify.pointer, qer.pointer, .first))
  }

  private init(_ view: UnsafePointer<hitless_view>) { state = Guarded(unsafe State(view)) }

  @safe private struct State: @unchecked Sendable {
    var workers: [UnsafeMutablePointer<hitless_worker>] = unsafe []
    var view: UnsafePointer<hitless_view>
    var sequence: UInt64 = 1

    init(_ view: UnsafePointer<hitless_view>) { unsafe self.view = view }
  }

  func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker> {
    unsafe state.withLock { state in
      let worker = UnsafeMutablePointer<hitless_worker>.allocate(capacity: 1)
      unsafe worker.initialize(to: hitless_worker())
      unsafe worker.pointee.view = state.view
      unsafe state.workers.append(worker)
      return unsafe worker
    }
  }

  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) {
    state.withLock { state in unsafe state.workers.removeAll { unsafe $0 == worker } }
  }

  /// Puts a generation with this qer in force for every worker.
  func activate(_ build: ReferenceModules.Build) {
    unsafe publish { sequence in unsafe Self.view(sequence, build) }
  }

  /// Gives a candidate with this qer some flows of the first build's, of 65 536.
  func activate(_ build: ReferenceModules.Build, flows share: UInt32) {
    unsafe publish { sequence in
      let stable = unsafe Self.view(sequence, .first)
      var view = unsafe Self.view(sequence, build).pointee
      unsafe view.candidate = view.stable
      unsafe view.stable = stable.pointee.stable
      unsafe view.serving = share == 65_536 ? view.candidate : view.stable
      unsafe view.share = share
      return unsafe Self.kept(view)
    }
  }

  private func publish(_ make: (UInt64) -> UnsafePointer<hitless_view>) {
    state.withLock { state in
      state.sequence += 1
      unsafe state.view = make(state.sequence)
      for index in unsafe state.workers.indices {
        let word = unsafe UnsafeMutableRawPointer(state.workers[index])
          .advanced(by: 64).assumingMemoryBound(to: Atomic<UInt>.self)
        unsafe word.pointee.store(UInt(bitPattern: state.view), ordering: .releasing)
      }
    }
  }

  /// Waits until no worker can use a view older than the one in force.
  func isSettled() -> Bool {
    state.withLock { state in
      unsafe state.workers.allSatisfy { worker in
        let seen = unsafe UnsafeMutableRawPointer(worker)
          .advanced(by: 128).assumingMemoryBound(to: Atomic<UInt64>.self)
        return unsafe seen.pointee.load(ordering: .acquiring) >= state.sequence
      }
    }
  }

  private static func view(
    _ sequence: UInt64, _ build: ReferenceModules.Build
  ) -> UnsafePointer<hitless_view> {
    let classifyTable = unsafe kept(
      upf_classify_table(size: 16, version: 1, process: ReferenceModules.classify))
    let qerTable = unsafe kept(upf_qer_table(size: 16, version: 1, process: build.enforce))
    return unsafe view(
      sequence, UnsafeRawPointer(classifyTable), UnsafeRawPointer(qerTable), build)
  }

  static func view(
    _ sequence: UInt64, _ classify: UnsafeRawPointer, _ qer: UnsafeRawPointer,
    _ build: ReferenceModules.Build
  ) -> UnsafePointer<hitless_view> {
    let tables = UnsafeMutablePointer<UnsafeRawPointer?>.allocate(capacity: 2)
    unsafe tables.initialize(to: classify)
    unsafe (tables + 1).initialize(to: qer)
    let modules = UnsafeMutablePointer<UnsafePointer<hitless_module_info>?>.allocate(capacity: 2)
    unsafe modules.initialize(to: kept(info(ordinal: 0, build: 0xc1)))
    unsafe (modules + 1).initialize(
      to: kept(info(ordinal: build.rawValue + 1, build: UInt8(build.rawValue))))
    let generation = unsafe kept(
      hitless_generation(
        size: 40, slot_count: 2, number: sequence, tables: tables, modules: modules))
    var view = unsafe hitless_view()
    unsafe view.sequence = sequence
    unsafe view.serving = UnsafePointer(generation)
    unsafe view.stable = UnsafePointer(generation)
    return unsafe kept(view)
  }

  private static func info(ordinal: UInt32, build: UInt8) -> hitless_module_info {
    var info = hitless_module_info()
    info.ordinal = ordinal
    info.build_id_size = 4
    info.build_id.0 = build
    info.facts.version_major = 1
    info.facts.version_patch = ordinal
    return info
  }

  /// A value that stays for ever.
  static func kept<T>(_ value: T) -> UnsafePointer<T> {
    let pointer = UnsafeMutablePointer<T>.allocate(capacity: 1)
    unsafe pointer.initialize(to: value)
    return unsafe UnsafePointer(pointer)
  }
}

/// Refuses the worker with one index.
final class FailingRegistry: WorkerRegistry, @unchecked Sendable {
  private let puppet = PuppetRegistry()
  private let counts = Guarded((asked: 0, live: 0))
  private let failAt: Int

  init(failAt: Int) { self.failAt = failAt }

  var isEmpty: Bool { counts.withLock { $0.live == 0 } }

  func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker> {
    let asked = counts.withLock { counts in
      defer { counts.asked += 1 }
      return counts.asked
    }
    guard asked != failAt else { throw Refusal(.state, "no more") }
    counts.withLock { $0.live += 1 }
    return try unsafe puppet.registerWorker(name: name)
  }

  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) {
    unsafe puppet.unregisterWorker(worker)
    counts.withLock { $0.live -= 1 }
  }
}
