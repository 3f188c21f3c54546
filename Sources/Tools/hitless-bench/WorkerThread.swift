internal import Glibc
internal import Platform
internal import Refusal

/// Runs `body` on a thread of its own, bound to `processor`, and returns what it returns.
func runPinned<Result: Sendable>(
  _ name: String, onProcessor processor: Int32,
  _ body: @escaping @Sendable () throws(Refusal) -> Result
) throws(Refusal) -> Result {
  let result = Answer<Result>()
  do throws(SystemError) {
    try SystemThread.start(name) {
      do throws(Refusal) {
        try pin(to: processor)
        let value = try body()
        result.state.withLock { $0 = .success(value) }
      } catch {
        result.state.withLock { $0 = .failure(error) }
      }
    }.join()
  } catch {
    throw error.refusal
  }
  return try result.state.withLock { $0 }.get()
}

/// Binds the calling thread to one processor: an unbound thread measures the scheduler.
func pin(to processor: Int32) throws(Refusal) {
  do throws(SystemError) {
    try CurrentThread.setProcessors([processor])
  } catch {
    throw error.refusal
  }
}

/// Processor time of the calling thread: what others take from this processor is not in it.
func processorNanoseconds() -> UInt64 {
  var time = timespec()
  // SAFETY: `time` is ours; this clock always exists.
  _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private final class Answer<Value: Sendable>: Sendable {
  let state = Guarded<Result<Value, Refusal>>(
    .failure(Refusal(.state, "the measuring thread has left nothing")))
}
