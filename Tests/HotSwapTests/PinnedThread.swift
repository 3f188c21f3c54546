import CPlatform
import Glibc
import Platform

/// A thread of its own, bound to one processor where there is one, that runs `body` once.
///
/// Tests of readers must not use the cooperative pool: its threads are shared, and there may be as few
/// as one.
final class PinnedThread: Sendable {
  private final class Start: Sendable {
    let processor: UInt32
    let body: @Sendable () -> Void

    init(_ processor: UInt32, _ body: @escaping @Sendable () -> Void) {
      self.processor = processor
      self.body = body
    }
  }

  private let thread: pthread_t

  /// Starts the thread.
  init?(onProcessor processor: UInt32, _ body: @escaping @Sendable () -> Void) {
    let context = unsafe Unmanaged.passRetained(Start(processor, body)).toOpaque()
    var thread = pthread_t()
    // SAFETY: the thread takes the one reference that was retained for it.
    let status = unsafe pthread_create(
      &thread, nil,
      { context in
        guard let context = unsafe context else { return nil }
        let start = unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
        // A machine with one processor runs the same test, only slower.
        _ = hitless_shim_thread_pin(start.processor)
        start.body()
        return nil
      }, context)
    guard status == 0 else {
      unsafe Unmanaged<Start>.fromOpaque(context).release()
      return nil
    }
    self.thread = thread
  }

  /// Waits for the end of `body`.
  func join() {
    _ = pthread_join(thread, nil)
  }
}
