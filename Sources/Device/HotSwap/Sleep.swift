internal import Glibc

/// Sleeps for about that long; a signal may end it early.
func sleepNanoseconds(_ nanoseconds: UInt64) {
  var time = timespec(
    tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
  // SAFETY: `time` is ours; the rest of an interrupted sleep is not wanted.
  _ = unsafe nanosleep(&time, nil)
}
