internal import CGuard

/// One fault of a candidate as a worker has left it, or of stable on a copy of a batch.
package struct GuardFault: Equatable, Sendable {
  /// What ended the batch.
  package enum Reason: Equatable, Sendable {
    /// A signal, with its `si_code`, and the address that it names where it is a memory fault.
    case signal(Int32, code: Int32, address: UInt64)
    /// The batch was over its time budget.
    case overBudget
    /// Not known: the worker's report of the fault before had not been read.
    case unreported
  }

  /// The worker's name and the kernel's number of its thread.
  package let worker: String
  /// The worker's name and the kernel's number of its thread.
  package let thread: UInt32
  /// What ended the batch.
  package let reason: Reason
  /// Number of the generation that was left, or of stable when the fault was its own on a copy.
  package let generation: UInt64
  /// Sequence of the view that was left; nil where it is not known, or none of the domain's, as of a copy.
  package let sequence: UInt64?
  /// Where the thread was.
  package let instruction: UInt64
  /// Return addresses into the candidate's code that lay on the stack, innermost first.
  package let frames: [UInt64]
  /// From the beginning of the handler, or the watchdog's decision, until the batch began again on stable, or the
  /// run of a copy was left, in nanoseconds.
  package let nanosecondsToStable: UInt64
}

extension GuardFault {
  init(_ report: hitless_guard_report, worker: String, thread: UInt32, isOfCopy: Bool) {
    var report = report
    self.worker = worker
    self.thread = thread
    reason =
      report.reason == HITLESS_GUARD_OVER_BUDGET
      ? .overBudget
      : .signal(report.signal, code: report.code, address: report.address)
    generation = report.generation
    sequence = isOfCopy ? nil : report.sequence
    instruction = report.instruction
    nanosecondsToStable = report.stable_time &- report.fault_time
    let count = min(Int(report.frame_count), Int(HITLESS_GUARD_FRAMES))
    frames = unsafe withUnsafeBytes(of: &report.frames) { bytes in
      // The field has room for as many as the constant says.
      unsafe Array(bytes.bindMemory(to: UInt64.self).prefix(count))
    }
  }
}

extension GuardFault {
  /// A fault of which no more is known than whose it was.
  init(unreported generation: UInt64, worker: String, thread: UInt32) {
    self.worker = worker
    self.thread = thread
    reason = .unreported
    self.generation = generation
    sequence = nil
    instruction = 0
    nanosecondsToStable = 0
    frames = []
  }
}

extension GuardFault {
  /// Whether it is known to come from a view before `sequence`.
  package func isOlder(than sequence: UInt64) -> Bool {
    self.sequence.map { $0 < sequence } ?? false
  }
}

extension GuardFault.Reason: CustomStringConvertible {
  /// The signal's name, and what is known of it.
  package var description: String {
    switch self {
    case .overBudget: "over the time budget"
    case .unreported: "a fault while the report of the one before was being answered for"
    case .signal: address.map { "\(name) at 0x\(String($0, radix: 16))" } ?? name
    }
  }

  /// The address that a memory fault names.
  package var address: UInt64? {
    guard case .signal(let number, _, let address) = self, number == 11 || number == 7 else {
      return nil
    }
    return address
  }

  /// The signal, "budget" or "unreported".
  package var name: String {
    switch self {
    case .overBudget: "budget"
    case .unreported: "unreported"
    case .signal(let number, _, _): Self.names[number] ?? "signal \(number)"
    }
  }

  private static let names: [Int32: String] = [
    4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV",
  ]
}
