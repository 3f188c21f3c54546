internal import CGuard
internal import Glibc
internal import Platform

/// What a thread had before it got a stack for handlers of the guard's.
///
/// A thread may be several workers, of one host or of two, and they need not end in the order in which they came:
/// then what the first one found is what the next one has to give back. If that one put back what it found itself,
/// the thread would be left with a stack that is gone, and the kernel ends a process that it finds no stack for
/// handlers in.
@safe
struct Seat: @unchecked Sendable {
  /// Those of all threads.
  ///
  /// No system call is made, and nothing else is locked, while it is held.
  private static let taken = Guarded<[Seat]>([])

  /// The guard's own.
  private let stack: UnsafeMutableRawPointer
  /// The kernel's number of the thread.
  private let thread: Int32
  private var stackBefore = unsafe stack_t()
  private var maskBefore = sigset_t()

  /// Gives `stack` to the calling thread, and unblocks the signals that the guard needs there.
  static func take(_ stack: stack_t, _ signal: Int32) {
    guard let start = unsafe stack.ss_sp else { return }
    var seat = unsafe Seat(stack: start, thread: CurrentThread.id)
    var wanted = sigset_t()
    unsafe hitless_guard_signals(&wanted, signal)
    unsafe seat.stackBefore = exchange(stack)
    // SAFETY: both sets are ours.
    _ = unsafe pthread_sigmask(SIG_UNBLOCK, &wanted, &seat.maskBefore)
    taken.withLock { [seat] in $0.append(seat) }
  }

  /// Ends the seat with the stack `start`; the calling thread has again what it had before if it is its own and
  /// nobody came after.
  ///
  /// A stack that the host has given the thread since stays.
  static func leave(_ start: UnsafeMutableRawPointer, isOwn: Bool) {
    let start = UInt(bitPattern: start)
    let ended = taken.withLock { taken -> Seat? in
      guard let index = taken.lastIndex(where: { unsafe UInt(bitPattern: $0.stack) == start })
      else { return nil }
      let ended = taken.remove(at: index)
      // Later ones only; where another thread had such a stack, its memory has been given to this one since.
      let later = taken.indices.dropFirst(index).filter { taken[$0].thread == ended.thread }
      let next = later.first { unsafe UInt(bitPattern: taken[$0].stackBefore.ss_sp) == start }
      if let next { unsafe taken[next].stackBefore = ended.stackBefore }
      // The host may have set a stack in between: signals stay as the one that is left needs them all the same.
      guard let heir = next ?? (isOwn ? later.first : nil) else { return ended }
      taken[heir].maskBefore = ended.maskBefore
      return nil
    }
    guard isOwn, var ended else { return }
    if unsafe UInt(bitPattern: current().ss_sp) == start { _ = unsafe exchange(ended.stackBefore) }
    // SAFETY: the set was filled by `take`.
    _ = unsafe pthread_sigmask(SIG_SETMASK, &ended.maskBefore, nil)
  }

  /// What the calling thread has now.
  private static func current() -> stack_t {
    var now = unsafe stack_t()
    // SAFETY: it is ours.
    _ = unsafe sigaltstack(nil, &now)
    return unsafe now
  }

  private static func exchange(_ new: stack_t) -> stack_t {
    var (new, old) = unsafe (new, stack_t())
    // SAFETY: both are ours; the stack outlives the thread's use of it.
    _ = unsafe sigaltstack(&new, &old)
    return unsafe old
  }
}
