internal import Platform

/// Runs `body` on a thread of its own and returns what it returns; nil when it takes longer than
/// `nanoseconds`, or when no thread could be started.
///
/// A call that is late is left alone: nothing can stop a thread without harm to what it holds. Its
/// result is thrown away when it comes. The wait is a sleeping poll: it is rare, off every packet path,
/// and needs nothing that the thread could still touch after the wait has ended.
func callWithin(_ nanoseconds: UInt64, _ body: @escaping @Sendable () -> Int32) -> Int32? {
  let deadline = Deadline.after(nanoseconds)
  let call = BudgetedCall(body)
  do throws(SystemError) {
    try SystemThread.start("hitless-hook") { call.run() }.detach()
  } catch {
    return nil
  }
  var sleep: UInt64 = 20_000
  while true {
    if let result = call.result.withLock({ $0 }) { return result }
    guard !deadline.hasPassed else { return nil }
    sleepNanoseconds(min(sleep, deadline.remaining))
    sleep = min(sleep * 2, 1_000_000)
  }
}

private final class BudgetedCall: Sendable {
  let result = Guarded<Int32?>(nil)
  private let body: @Sendable () -> Int32

  init(_ body: @escaping @Sendable () -> Int32) {
    self.body = body
  }

  func run() {
    let result = body()
    self.result.withLock { $0 = result }
  }
}
