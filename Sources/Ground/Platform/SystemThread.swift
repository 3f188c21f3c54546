internal import CPlatform
internal import Glibc

/// A named thread of the agent.
///
/// Threading: `join` may be called once, by any thread but this one. Signals that are sent to the
/// process are never delivered to it: they are the host's business.
package struct SystemThread: ~Copyable, Sendable {
  private let handle: pthread_t

  /// Starts `body` on a thread of its own; `name` is cut to the 15 bytes the kernel keeps.
  ///
  /// A placement that the kernel does not grant (any more) is no reason not to run: see
  /// `ThreadPlacement.check`.
  package static func start(
    _ name: String, at placement: ThreadPlacement = .inherited,
    _ body: @escaping @Sendable () -> Void
  ) throws(SystemError) -> SystemThread {
    let start = unsafe Unmanaged.passRetained(
      ThreadStart(name: name, placement: placement, body: body))
    var handle = pthread_t()
    // SAFETY: the retained start is taken over by the thread, or released below if there is none.
    let error = unsafe hitless_shim_thread_start(&handle, run, start.toOpaque())
    guard error == 0 else {
      unsafe start.release()
      throw SystemError("pthread_create", error, name)
    }
    return SystemThread(handle: handle)
  }

  private init(handle: pthread_t) { self.handle = handle }

  /// Gives the thread a real-time priority (`SCHED_FIFO`); false when the kernel does not let it have one.
  ///
  /// Any thread may call it: one that gets no processor could not for itself.
  package borrowing func setRealTimePriority(_ priority: Int32) -> Bool {
    var parameters = sched_param()
    parameters.sched_priority = priority
    // SAFETY: the record is ours; the thread was not joined, so its handle is valid.
    return unsafe pthread_setschedparam(handle, SCHED_FIFO, &parameters) == 0
  }

  /// Waits until the body has returned.
  package consuming func join() {
    _ = pthread_join(handle, nil)
  }

  /// Lets the thread end by itself.
  package consuming func detach() {
    pthread_detach(handle)
  }
}

/// What a thread can say about itself; each call concerns the calling thread only.
package enum CurrentThread {
  /// The kernel's number, as in `/proc/self/task`.
  package static var id: Int32 { hitless_shim_thread_id() }

  /// Sets the name, cut to the 15 bytes the kernel keeps.
  package static func setName(_ name: String) {
    var short: [CChar] = name.utf8.prefix(15).map { CChar(bitPattern: $0) }
    short.append(0)
    // SAFETY: the array is NUL-terminated and at most 16 bytes, so the call cannot fail.
    _ = unsafe hitless_shim_thread_set_name(short)
  }

  /// Restricts the thread to `processors`.
  package static func setProcessors(_ processors: [Int32]) throws(SystemError) {
    // SAFETY: the pointer is valid for `count` elements during the call.
    let result = unsafe hitless_shim_thread_set_processors(processors, Int32(processors.count))
    guard result == 0 else { throw SystemError.last("set the processors of", "thread \(id)") }
  }

  /// Sets the nice value: 19 yields to everything, negative values need a privilege.
  package static func setNice(_ value: Int32) throws(SystemError) {
    guard hitless_shim_thread_set_nice(value) == 0 else {
      throw SystemError.last("set the priority of", "thread \(id)")
    }
  }
}

private final class ThreadStart: Sendable {
  let name: String
  let placement: ThreadPlacement
  let body: @Sendable () -> Void

  init(name: String, placement: ThreadPlacement, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.placement = placement
    self.body = body
  }
}

private func run(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let context = unsafe context else { return nil }
  // SAFETY: `start` passed exactly this object, retained once for this thread.
  let start = unsafe Unmanaged<ThreadStart>.fromOpaque(context).takeRetainedValue()
  CurrentThread.setName(start.name)
  try? start.placement.apply()
  start.body()
  return nil
}
