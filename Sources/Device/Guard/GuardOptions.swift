internal import CGuard

/// When workers run batches under the guard (the numbers are those of hitless/host.h).
package enum GuardMode: Int32, Sendable {
  /// While a candidate is on trial.
  case duringTrial = 0
  /// Never; only a view's deadline is kept.
  case off = 1
  /// After it was confirmed too: a fault then leads back to what was stable before.
  case always = 2

  /// The mode as it is written in logs and on the command line.
  package var name: String {
    switch self {
    case .duringTrial: "during trials"
    case .off: "off"
    case .always: "always"
    }
  }
}

/// What is guarded, and how long a batch may take.
package struct GuardOptions: Equatable, Sendable {
  /// The budget when nothing else is said, in nanoseconds.
  ///
  /// A thousand times what batches take, so that neither a cold cache nor a hypervisor that stops the
  /// processor for a moment is taken for a loop.
  package static let defaultBudget: UInt64 = 10_000_000

  /// When batches are guarded.
  package var mode = GuardMode.duringTrial
  /// Processor time that one batch may take, in nanoseconds.
  package var batchBudget = defaultBudget
  /// The signal by which a worker learns that it is late.
  package var signal = hitless_guard_default_signal()

  /// Signals that a host may choose from: none whose meaning the kernel or the C library knows.
  package static var signals: ClosedRange<Int32> { 34...hitless_guard_largest_signal() }

  /// The defaults.
  package init() {}
}
