import Agent
import CEnduranceLoad
import CHitless
import Platform

/// Workers under load, and their books.
///
/// Threading: each worker writes its own book; the figures are read one by one while they run.
@safe
final class Load: @unchecked Sendable {
  private let books: UnsafeMutablePointer<endurance_book>
  private let count: Int
  private let threads = Guarded<[LoadThread]>([])

  /// Starts `count` workers; each pauses for a moment after so many batches.
  init(_ agent: Agent, count: Int, pauseEvery: UInt32) throws {
    self.count = count
    unsafe books = .allocate(capacity: count)
    unsafe books.initialize(repeating: endurance_book(), count: count)
    for index in 0..<count {
      unsafe books[index].pause_every = pauseEvery
      let thread = try LoadThread { [self] in unsafe work(agent, books + index) }
      threads.withLock { $0.append(thread) }
    }
  }

  private func work(_ agent: Agent, _ book: UnsafeMutablePointer<endurance_book>) {
    guard let worker = unsafe try? agent.registerWorker(name: "load") else { return }
    _ = unsafe endurance_run(worker, book)
    unsafe try? agent.unregisterWorker(worker)
  }

  /// Ends the workers; their books are whole afterwards.
  func stop() {
    for index in 0..<count { unsafe endurance_stop(books + index) }
    for thread in threads.withLock({ $0 }) { thread.join() }
  }

  var batches: UInt64 { unsafe sum { unsafe endurance_read(&$0.pointee.batches) } }
  /// How often a worker has met another version than in the batch before.
  var changes: UInt64 { unsafe sum { unsafe endurance_read(&$0.pointee.changes) } }
  var torn: UInt64 { unsafe sum { unsafe endurance_read(&$0.pointee.torn) } }
  /// Packets that were given to a module and never came back; of meaning after `stop`.
  var lost: UInt64 {
    unsafe sum { unsafe endurance_read(&$0.pointee.given) }
      &- sum { unsafe endurance_read(&$0.pointee.applied) }
  }

  private func sum(_ figure: (UnsafeMutablePointer<endurance_book>) -> UInt64) -> UInt64 {
    (0..<count).map { unsafe figure(books + $0) }.reduce(0, &+)
  }

  deinit { unsafe books.deallocate() }
}

/// A worker's thread, which is joined once.
private final class LoadThread: Sendable {
  private let thread: Guarded<SystemThread?>

  init(_ body: @escaping @Sendable () -> Void) throws {
    var started: SystemThread? = try SystemThread.start("load", body)
    thread = Guarded(started.take())
  }

  func join() {
    let handle = thread.withLock { $0.take() }
    handle?.join()
  }
}
