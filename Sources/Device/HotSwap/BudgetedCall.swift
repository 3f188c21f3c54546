internal import CPlatform
internal import Glibc
internal import Synchronization

/// Runs `body` on a thread of its own and returns what it returns; nil when it takes longer than
/// `nanoseconds`, or when no thread could be started.
///
/// A call that is late is left alone: nothing can stop a thread without harm to what it holds. Its
/// result is thrown away when it comes.
func callWithin(_ nanoseconds: UInt64, _ body: @escaping @Sendable () -> Int32) -> Int32? {
  let call = BudgetedCall(body)
  let deadline = monotonicNanoseconds() &+ nanoseconds
  var thread = pthread_t()
  // The thread owns this reference and gives it back when it has run.
  let context = unsafe Unmanaged.passRetained(call).toOpaque()
  // SAFETY: `runBudgetedCall` takes the one reference that was retained for it.
  guard unsafe pthread_create(&thread, nil, runBudgetedCall, context) == 0 else {
    unsafe Unmanaged<BudgetedCall>.fromOpaque(context).release()
    return nil
  }
  guard hitless_shim_thread_join(thread, deadline) == 0 else {
    pthread_detach(thread)
    return nil
  }
  return call.result.withLock { $0 }
}

private final class BudgetedCall: Sendable {
  let body: @Sendable () -> Int32
  let result = Mutex<Int32?>(nil)

  init(_ body: @escaping @Sendable () -> Int32) {
    self.body = body
  }
}

private func runBudgetedCall(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let context = unsafe context else { return nil }
  // SAFETY: the starter retained one reference for this thread.
  let call = unsafe Unmanaged<BudgetedCall>.fromOpaque(context).takeRetainedValue()
  let result = call.body()
  call.result.withLock { $0 = result }
  return nil
}
