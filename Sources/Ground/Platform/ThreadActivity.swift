internal import CPlatform
internal import Glibc

/// What the kernel says about one thread of this process, at one moment.
///
/// Two samples tell whether a thread ran in between: one alone cannot tell a thread that computes from
/// one that waits for a processor.
package struct ThreadActivity: Equatable, Sendable {
  /// State letter of proc(5), such as `R` for runnable and `S` for sleeping.
  package let state: Character
  /// Processor time used so far.
  package let processorNanoseconds: UInt64
  /// Context switches that the thread asked for, by blocking.
  package let voluntarySwitches: UInt64
  /// Context switches that the scheduler made.
  package let involuntarySwitches: UInt64

  /// Samples the thread with the kernel's number `threadID`; nil when this process has no such thread.
  package static func sample(threadID: Int32) -> ThreadActivity? {
    let path = "/proc/self/task/\(threadID)/status"
    do throws(SystemError) {
      let file = try FileDescriptor.open(path, O_RDONLY)
      let text = String(decoding: try file.read(upTo: 1 << 16, from: path), as: UTF8.self)
      return ThreadActivity(status: text, processorNanoseconds: processorTime(of: threadID))
    } catch {
      return nil
    }
  }

  private init?(status: String, processorNanoseconds: UInt64) {
    var fields: [Substring: Substring] = [:]
    for line in status.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      fields[parts[0]] = parts[1].drop { $0 == "\t" || $0 == " " }
    }
    guard let state = fields["State"]?.first,
      let voluntary = fields["voluntary_ctxt_switches"].flatMap({ UInt64($0) }),
      let involuntary = fields["nonvoluntary_ctxt_switches"].flatMap({ UInt64($0) })
    else { return nil }
    self.state = state
    self.processorNanoseconds = processorNanoseconds
    voluntarySwitches = voluntary
    involuntarySwitches = involuntary
  }

  /// Processor time of a thread, 0 when it is gone.
  ///
  /// Unlike the figures under /proc, the thread's clock counts the time slice that is still running.
  private static func processorTime(of threadID: Int32) -> UInt64 {
    let perThreadScheduled: Int32 = 6
    var time = timespec()
    // SAFETY: `time` is ours and of the right type.
    guard unsafe clock_gettime((~threadID) << 3 | perThreadScheduled, &time) == 0 else { return 0 }
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
