import Agent
import Platform
import Refusal
import TestSupport
import Testing

/// Stops an agent in the middle of an operation: where it writes a certain line.
final class Interruption: Sendable {
  private struct State {
    var kind = ""
    var body: (@Sendable () -> Void)?
  }

  private let state = Guarded(State())

  /// The log that an agent is opened with.
  func log(_ message: String) {
    let body = state.withLock { state -> (@Sendable () -> Void)? in
      message.contains(" \(state.kind): ") ? state.body.take() : nil
    }
    body?()
  }

  /// Has `body` run once, by whoever writes the next line `kind`, before it goes on.
  func at(_ kind: String, _ body: @escaping @Sendable () -> Void) {
    state.withLock { $0 = State(kind: kind, body: body) }
  }

  /// Whether the line has not been written yet.
  var isPending: Bool { state.withLock { $0.body != nil } }
}

/// A thread that runs one order, whose outcome is asked for later.
final class Order<Value: Sendable>: Sendable {
  private let result = Monitor<Result<Value, any Error>?>(nil)
  private let thread: Guarded<SystemThread?> = Guarded(nil)

  init(_ body: @escaping @Sendable () throws -> Value) throws {
    var started: SystemThread? = try SystemThread.start("test-order") { [result] in
      let outcome = Result { try body() }
      result.withLock { $0 = outcome }
    }
    thread.withLock { $0 = started.take() }
  }

  /// Waits for the end of it.
  func get() throws -> Value {
    let handle = thread.withLock { $0.take() }
    handle?.join()
    return try #require(result.withLock { $0 }).get()
  }
}
