internal import CPlatform
internal import Glibc

/// A value behind a lock, for which threads can wait until it has become what they need.
///
/// Threading: any thread but a worker's packet path. `withLock` wakes every waiter; `wait` blocks until
/// its condition holds or the deadline has passed, and wakes every other waiter when it holds, because the
/// condition may change the value as it takes it. The closures must not call the monitor again.
@safe
package final class Monitor<Value>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  /// Touched only while `mutex` is held.
  private var value: Value

  /// Starts with `value`.
  package init(_ value: Value) {
    self.value = value
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    // SAFETY: both objects are ours, never move, and are initialised before anybody sees them.
    unsafe pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(condition, &attributes)
    unsafe pthread_condattr_destroy(&attributes)
  }

  deinit {
    // SAFETY: the last reference is gone, so nobody holds the lock or waits.
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  /// Runs `body` with the value to itself, then wakes whoever waits for a change.
  package func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer {
      unsafe pthread_cond_broadcast(condition)
      unsafe pthread_mutex_unlock(mutex)
    }
    return try body(&value)
  }

  /// Waits until `condition` returns something, and returns it; nil when the deadline came first.
  ///
  /// A condition changes the value only when it returns something: nobody is told of any other change.
  package func wait<Result>(
    until deadline: Deadline, for condition: (inout Value) -> Result?
  ) -> Result? {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    while true {
      if let result = condition(&value) {
        unsafe pthread_cond_broadcast(self.condition)
        return result
      }
      if deadline.hasPassed { return nil }
      var time = timespec(
        tv_sec: Int(clamping: deadline.time / 1_000_000_000),
        tv_nsec: Int(deadline.time % 1_000_000_000))
      // SAFETY: the lock is held, as the call demands; `time` is ours.
      unsafe pthread_cond_timedwait(self.condition, mutex, &time)
    }
  }
}
