internal import Synchronization

/// A value behind a lock.
///
/// `Mutex`, and one more word for ThreadSanitizer. Who waits for a contended `Mutex` gets it inside the
/// Swift runtime, where the sanitizer does not look, so it reports a race on every value that was waited
/// for. The word carries the order where it does look: the store at the end of one turn is read at the
/// start of the next. Besides that it changes nothing, and it costs two plain accesses under the lock.
///
/// Threading: any thread; `withLock` blocks while another thread is inside, and must not be nested.
package struct Guarded<Value: ~Copyable>: ~Copyable, Sendable {
  private let mutex: Mutex<Value>
  private let turn = Atomic<UInt>(0)

  /// Puts `value` behind a lock.
  package init(_ value: consuming sending Value) { mutex = Mutex(value) }

  /// Runs `body` with the value while nobody else can.
  ///
  /// Ordering: the lock's acquire and release are what counts; those of `turn` repeat them.
  package borrowing func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    try mutex.withLock { (value) throws(Failure) in
      _ = turn.load(ordering: .acquiring)
      defer { turn.store(1, ordering: .releasing) }
      return try body(&value)
    }
  }
}
