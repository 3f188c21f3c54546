internal import CHitless
internal import Glibc
internal import Platform
internal import Refusal

/// A worker's thread from its start to its end.
///
/// Threading: one thread starts it, waits for it and joins it; anybody may ask how it is.
final class StartedWorker: Sendable {
  private enum Phase: Sendable {
    case starting
    case registered
    case ended(Refusal?)
  }

  /// Shared with the thread, which may outlive a start that failed.
  private final class Progress: Sendable {
    let phase = Guarded(Phase.starting)
  }

  private let progress: Progress
  private let thread: Guarded<SystemThread?>

  init(_ worker: Worker, processor: UInt32?, registry: any WorkerRegistry) throws(Refusal) {
    let progress = Progress()
    self.progress = progress
    let name = "upf-worker-\(worker.index)"
    do throws(SystemError) {
      thread = Guarded(
        try SystemThread.start(name) {
          let outcome = Self.work(worker, name, processor, registry, progress)
          progress.phase.withLock { $0 = .ended(outcome) }
        })
    } catch {
      throw error.refusal
    }
  }

  private static func work(
    _ worker: Worker, _ name: String, _ processor: UInt32?, _ registry: any WorkerRegistry,
    _ progress: Progress
  ) -> Refusal? {
    do throws(Refusal) {
      if let processor { try pin(processor) }
      let record = try unsafe registry.registerWorker(name: name)
      progress.phase.withLock { $0 = .registered }
      defer { unsafe registry.unregisterWorker(record) }
      try unsafe worker.run(record)
      return nil
    } catch {
      return error
    }
  }

  private static func pin(_ processor: UInt32) throws(Refusal) {
    do throws(SystemError) {
      try CurrentThread.setProcessors([Int32(clamping: processor)])
    } catch {
      throw Refusal(
        .io, "cannot keep a worker on processor \(processor): \(error)",
        hint: "name a processor that this process may use")
    }
  }

  /// Waits until the worker runs, or throws what kept it from running.
  func waitUntilRegistered() throws(Refusal) {
    while true {
      switch progress.phase.withLock({ $0 }) {
      case .starting: usleep(100)
      case .registered, .ended(nil): return
      case .ended(let failure?): throw failure
      }
    }
  }

  /// Whether the worker has got as far as its loop.
  var isRegistered: Bool {
    switch progress.phase.withLock({ $0 }) {
    case .starting: false
    case .registered, .ended(nil): true
    case .ended(.some): false
    }
  }

  /// What ended the worker before its time.
  var failure: Refusal? {
    guard case .ended(let failure) = progress.phase.withLock({ $0 }) else { return nil }
    return failure
  }

  /// Waits for the thread's end; returns what ended it before its time.
  func join() -> Refusal? {
    let thread = thread.withLock { $0.take() }
    if let thread { thread.join() }
    return failure
  }
}
