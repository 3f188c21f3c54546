internal import Glibc

/// The signals by which somebody ends a program, held back so that it can put things in order first.
///
/// Threading: of the thread that made it; other threads that are started meanwhile hold them back, too.
@safe
package struct HeldSignals: Sendable {
  private let ending: sigset_t
  private let before: sigset_t

  /// Holds back SIGINT, SIGTERM, SIGHUP and SIGQUIT.
  package init() {
    var (set, old) = (sigset_t(), sigset_t())
    // SAFETY: both sets are ours.
    unsafe sigemptyset(&set)
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { unsafe sigaddset(&set, signal) }
    _ = unsafe pthread_sigmask(SIG_BLOCK, &set, &old)
    (ending, before) = (set, old)
  }

  /// Waits for one of them, at most so long; returns its number, or nil when none came.
  package func next(withinMilliseconds milliseconds: UInt64) -> Int32? {
    var set = ending
    var pause = timespec(
      tv_sec: Int(milliseconds / 1000), tv_nsec: Int(milliseconds % 1000) * 1_000_000)
    // SAFETY: both are ours; nothing is asked about the signal but its number.
    let signal = unsafe sigtimedwait(&set, nil, &pause)
    return signal > 0 ? signal : nil
  }

  /// Lets them through again.
  package func release() {
    var old = before
    // SAFETY: the set was filled when they were held.
    _ = unsafe pthread_sigmask(SIG_SETMASK, &old, nil)
  }
}

/// How much a terminal shows.
package struct TerminalSize: Equatable, Sendable {
  package let columns: Int
  package let rows: Int

  /// The size of the terminal behind `descriptor`; 80 by 24 where it does not say.
  package init(of descriptor: Int32) {
    var window = winsize()
    // SAFETY: the request fills a structure of just this type.
    let result = unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &window)
    let isKnown = result == 0 && window.ws_col > 0 && window.ws_row > 0
    columns = isKnown ? Int(window.ws_col) : 80
    rows = isKnown ? Int(window.ws_row) : 24
  }
}
