/// What one publication did.
package struct Publication: Equatable, Sendable {
  /// Sequence of the view that was put in force.
  package let sequence: UInt64
  /// From the first publishing store to the last.
  package let publishNanoseconds: UInt64
  /// CLOCK_MONOTONIC at the first publishing store.
  package let startNanoseconds: UInt64
}

/// Evidence that no worker can touch a view before `sequence`; only `SwapDomain` makes one.
package struct GracePeriod: Equatable, Sendable {
  /// The views before this one are behind every worker.
  package let sequence: UInt64
  /// From the first publishing store to the end of the wait.
  package let nanoseconds: UInt64

  init(sequence: UInt64, nanoseconds: UInt64) {
    self.sequence = sequence
    self.nanoseconds = nanoseconds
  }
}

/// Evidence that no worker can reach a module: no live generation holds it.
///
/// Only `SwapDomain` makes one.
struct Unreachable: ~Copyable, Sendable {
  /// Where the module stood.
  let before: MappedModule.Phase
}

/// How a wait for a grace period ended.
package enum GraceOutcome: Equatable, Sendable {
  /// Every worker has passed.
  case passed(GracePeriod)
  /// These workers had not passed at the deadline; what they may use stays mapped.
  case overdue([WorkerReport])
}

/// What one worker is doing.
package struct WorkerReport: Equatable, Sendable {
  /// The name it was registered with.
  package let name: String
  /// The kernel's number of its thread.
  package let threadID: Int32
  /// The last sequence that it has reported; nil when idle.
  package let seen: UInt64?
  /// What its thread was doing.
  package let activity: Activity
  /// How often its thread was switched out while it was watched.
  package let contextSwitches: UInt64

  /// What the thread of a worker does.
  package enum Activity: Equatable, Sendable {
    /// Says that it uses no view: it holds up nothing.
    case idle
    /// Got processor time while it was watched.
    case running
    /// Got none: it sleeps, is stopped, or waits for a processor (state letter of proc(5)).
    case notScheduled(state: Character)
    /// The thread has ended without unregistering.
    case ended
  }
}

extension WorkerReport: CustomStringConvertible {
  /// A sentence for the log.
  package var description: String {
    let view = seen.map { "last seen in view \($0)" } ?? "in no view"
    return "worker '\(name)' (thread \(threadID), \(view)) is \(activity)"
  }
}

extension WorkerReport.Activity: CustomStringConvertible {
  /// A few words for the log.
  package var description: String {
    switch self {
    case .idle: "idle"
    case .running: "running"
    case .notScheduled(state: "R"): "not scheduled: it waits for a processor"
    case .notScheduled(state: "S"): "not scheduled: it sleeps without having said that it is idle"
    case .notScheduled(state: "D"): "not scheduled: it waits for a device"
    case .notScheduled(state: "T"), .notScheduled(state: "t"): "not scheduled: it is stopped"
    case .notScheduled(let state): "not scheduled: its state is \(state)"
    case .ended: "gone: its thread has ended without unregistering"
    }
  }
}
