import CHitless
import Glibc
import HotSwap
import Platform
import Testing

/// A worker thread that does one step at a time, as the test says.
///
/// Threading: `run` and `stop` belong to the test; what `run` is given is done on the worker's thread.
@safe
final class Puppet: @unchecked Sendable {
  @safe
  private enum Step: Sendable {
    case none
    case run(@Sendable (UnsafeMutablePointer<hitless_worker>) -> Void)
    case end
  }

  private let step = Guarded(Step.none)
  private let commands = Gate()
  private let done = Gate()
  private let worker = Guarded<UInt>(0)
  private var thread: PinnedThread?

  /// Starts a thread and registers it.
  init(_ name: String, in domain: SwapDomain, onProcessor processor: UInt32 = 1) throws {
    thread = PinnedThread(onProcessor: processor) { [self] in
      let registered = unsafe try? domain.registerWorker(name: name)
      worker.withLock { $0 = UInt(bitPattern: registered) }
      done.open()
      guard let registered = unsafe registered else { return }
      while true {
        commands.wait()
        switch step.withLock({ $0 }) {
        case .none: break
        case .run(let body): unsafe body(registered)
        case .end: return done.open()
        }
        done.open()
      }
    }
    _ = try #require(thread)
    done.wait()
    try #require(worker.withLock { $0 } != 0)
  }

  /// The record; the thread's own, so for `unregisterWorker` only.
  var pointer: UnsafeMutablePointer<hitless_worker> {
    get throws {
      unsafe try #require(unsafe UnsafeMutablePointer(bitPattern: worker.withLock { $0 }))
    }
  }

  /// Lets the thread begin `body` and returns without waiting for its end.
  func begin(_ body: @escaping @Sendable (UnsafeMutablePointer<hitless_worker>) -> Void) {
    step.withLock { $0 = unsafe .run(body) }
    commands.open()
  }

  /// Waits for the end of what was begun.
  func finish() { done.wait() }

  /// Lets the thread do `body` and waits for its end.
  func run(_ body: @escaping @Sendable (UnsafeMutablePointer<hitless_worker>) -> Void) {
    unsafe begin(body)
    finish()
  }

  /// Runs one batch and returns the sequence of its view.
  func enter() -> UInt64 {
    let sequence = Box<UInt64>(0)
    unsafe run { worker in sequence.set(unsafe hitless_enter(worker).pointee.sequence) }
    return sequence.value
  }

  /// Ends the thread, without unregistering it.
  func stop() {
    step.withLock { $0 = .end }
    commands.open()
    thread?.join()
    thread = nil
  }
}

/// Lets one thread through for each time that another opens it; who waits sleeps.
final class Gate: Sendable {
  private let ends: (reading: Int32, writing: Int32)

  init() {
    var ends: [Int32] = [-1, -1]
    // SAFETY: the array has room for both ends.
    unsafe #expect(pipe(&ends) == 0)
    self.ends = (ends[0], ends[1])
  }

  deinit {
    close(ends.reading)
    close(ends.writing)
  }

  func open() {
    var byte: UInt8 = 1
    unsafe #expect(write(ends.writing, &byte, 1) == 1)
  }

  func wait() {
    var byte: UInt8 = 0
    while unsafe read(ends.reading, &byte, 1) < 0 && errno == EINTR {}
  }
}

/// A value that one thread leaves for another.
final class Box<Value: Sendable>: Sendable {
  private let state: Guarded<Value>

  init(_ value: Value) { state = Guarded(value) }

  var value: Value { state.withLock { $0 } }

  func set(_ value: Value) { state.withLock { $0 = value } }
}
