/// Somebody who can work meanwhile: takes a piece of work, and returns what waits until it is done.
///
/// Nil when there is nobody; a piece that was waited for and is not done will never be begun.
package typealias Assistant =
  @Sendable (_ work: @escaping @Sendable () -> Void) -> (
    @Sendable () -> Void
  )?

/// A value that is worked out meanwhile, by a pure function of what never changes.
///
/// Who works it out, and when, shows only in how long `finish` takes.
///
/// Threading: `begin` and `finish` are for one thread, the assistant's work for any. The value is stored by
/// the work, and loaded behind a wait for it: the assistant has to order the two.
package final class Errand<Value: Sendable>: @unchecked Sendable {
  private let work: @Sendable () -> Value
  private var value: Value?
  private var wait: (@Sendable () -> Void)?

  private init(_ work: @escaping @Sendable () -> Value) { self.work = work }

  /// Lets `assistant` work something out; nil when there is nobody who could.
  package static func begin(
    _ assistant: Assistant?, _ work: @escaping @Sendable () -> Value
  ) -> Errand? {
    guard let assistant else { return nil }
    let errand = Errand(work)
    guard let wait = assistant({ errand.value = errand.work() }) else { return nil }
    errand.wait = wait
    return errand
  }

  /// Returns the value; works it out here if the assistant did not come to it.
  ///
  /// To be called once: a second call would work it out again.
  package func finish() -> Value {
    wait?()
    wait = nil
    return value.take() ?? work()
  }
}
