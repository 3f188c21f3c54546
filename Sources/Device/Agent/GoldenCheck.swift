internal import HotSwap
internal import Platform
internal import Staging

/// How often modules in memory are compared with what they were.
package struct GoldenRules: Equatable, Sendable {
  /// Time for one look at every live module, in nanoseconds; 0: they are not looked at.
  package var interval: UInt64 = 60_000_000_000

  /// The defaults.
  package init() {}
}

/// Where the background check is: which modules it goes through, and how far it is.
///
/// Threading: one thread at a time.
struct GoldenRound {
  /// Shortest pause between two pieces: at most some 16 MB per second are read.
  static let leastPause: UInt64 = 1_000_000

  /// A module of the round, which goes when nobody else holds it: a round takes a minute, and one that was retired
  /// meanwhile must not stay mapped so long.
  private struct Entry: Sendable {
    weak let module: StagedModule?
    let pieceCount: Int
  }

  private let entries: [Entry]
  private var entry = 0
  private var piece = 0

  init(_ modules: [StagedModule]) {
    entries = modules.map { Entry(module: $0, pieceCount: $0.golden.pieceCount) }
  }

  /// The next piece, and whether it is the last one of its module; nil at the end of the round.
  mutating func next() -> (module: StagedModule, piece: Int, isLast: Bool)? {
    while entry < entries.count {
      let current = entries[entry]
      guard piece < current.pieceCount, let module = current.module else {
        skipModule()
        continue
      }
      defer { piece += 1 }
      return (module, piece, piece + 1 == current.pieceCount)
    }
    return nil
  }

  /// Goes on with the next module.
  mutating func skipModule() { (entry, piece) = (entry + 1, 0) }

  /// How long to wait between two pieces, so that the round takes about `interval`.
  func pause(interval: UInt64) -> UInt64 {
    guard !entries.isEmpty else { return Self.leastPause }
    // One more than there are pieces: the step between two rounds.
    let count = entries.reduce(1) { $0 + $1.pieceCount }
    return max(Self.leastPause, interval / UInt64(count))
  }
}

/// Ends the thread that checks, whoever holds it.
///
/// Threading: any thread.
final class GoldenThread: Sendable {
  private struct State: Sendable {
    var isStopping = false
    var isRunning = false
  }

  private let state = Monitor(State())

  /// Takes note that the thread is about to start; `end` follows, by the thread itself if there is one.
  func begin() { state.withLock { $0.isRunning = true } }

  /// Takes note that the thread touches nothing any more.
  func end() { state.withLock { $0.isRunning = false } }

  func stop() { state.withLock { $0.isStopping = true } }

  /// Waits until the thread has ended; returns false if it has not within `patience` nanoseconds.
  func waitUntilEnded(patience: UInt64) -> Bool {
    state.wait(until: .after(patience)) { $0.isRunning ? nil : true } != nil
  }

  /// Waits; returns false when it is time to end.
  func pause(_ nanoseconds: UInt64) -> Bool {
    state.wait(until: .after(nanoseconds)) { $0.isStopping ? true : nil } == nil
  }

  deinit { stop() }
}
