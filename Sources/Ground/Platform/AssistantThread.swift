/// A thread that does pieces of work for another one, in the order in which they are given.
///
/// It is started with the first piece, and placed as the thread that gives it: where that one may run,
/// and with its nice value. Where no thread can be had, there is no help, and nothing else changes.
///
/// Threading: one thread is in `with` and asks for help; it blocks only while a piece is being worked on
/// that it waits for, and at the end of `with`, for the piece in progress.
package final class AssistantThread: Sendable {
  private typealias Work = @Sendable () -> Void

  private struct Pieces {
    var waiting: [(number: Int, work: Work)] = []
    var running: Int?
    var lastNumber = 0
    var isOver = false
  }

  private enum Order {
    case work(Work)
    case end
  }

  private let name: String
  private let pieces = Monitor(Pieces())
  private let thread = Guarded<SystemThread?>(nil)

  private init(_ name: String) { self.name = name }

  /// Calls `body` with an assistant, and joins its thread before it returns or throws.
  ///
  /// Pieces that are not begun by then are never done.
  package static func with<Result, Failure: Error>(
    _ name: String, _ body: (AssistantThread) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let assistant = AssistantThread(name)
    defer { assistant.end() }
    return try body(assistant)
  }

  /// Whether a thread was needed, and could be had.
  package var hasStarted: Bool { thread.withLock { $0 != nil } }

  /// Takes a piece of work and returns what waits until it is done; nil when no thread can be had.
  ///
  /// A piece that has not been begun when it is waited for is taken back: a thread that gets no
  /// processor keeps nobody waiting.
  package func begin(_ work: @escaping @Sendable () -> Void) -> (@Sendable () -> Void)? {
    guard start() else { return nil }
    let number = pieces.withLock { pieces in
      pieces.lastNumber += 1
      pieces.waiting.append((pieces.lastNumber, work))
      return pieces.lastNumber
    }
    return { [pieces] in
      pieces.wait(until: .after(.max)) { pieces -> Void? in
        pieces.waiting.removeAll { $0.number == number }
        return pieces.running == number ? nil : ()
      }
    }
  }

  private func start() -> Bool {
    thread.withLock { thread in
      guard thread == nil else { return true }
      guard !pieces.withLock({ $0.isOver }) else { return false }
      thread = try? SystemThread.start(name) { [pieces] in Self.run(pieces) }
      return thread != nil
    }
  }

  private static func run(_ pieces: Monitor<Pieces>) {
    while case .work(let work) = order(from: pieces) {
      work()
      pieces.withLock { $0.running = nil }
    }
  }

  /// Waits for the next piece.
  private static func order(from pieces: Monitor<Pieces>) -> Order {
    let order: Order? = pieces.wait(until: .after(.max)) { pieces in
      guard !pieces.isOver else { return .end }
      guard !pieces.waiting.isEmpty else { return nil }
      let (number, work) = pieces.waiting.removeFirst()
      pieces.running = number
      return .work(work)
    }
    return order ?? .end
  }

  private func end() {
    pieces.withLock { pieces in
      pieces.isOver = true
      pieces.waiting = []
    }
    // Nobody else asks for it any more, so that the lock is not held while the thread ends.
    thread.withLock { $0.take() }?.join()
  }
}
