internal import Agent
internal import CHitless
internal import Refusal

extension AgentOptions {
  /// What the host says about ends that are early.
  mutating func readEarlyEnds(_ options: hitless_agent_options) {
    earlyEndWindow = unsafe duration(options.early_end_window_ns, or: earlyEndWindow)
    if unsafe options.early_end_limit > 0 { earlyEndLimit = unsafe options.early_end_limit }
  }

  /// What the host says about patches that fail, and about modules that change in memory.
  mutating func readProtection(_ options: hitless_agent_options) throws(Refusal) {
    breaker.isMetricsOnly = try isMetricsOnly(unsafe options.breaker_mode, "breaker_mode")
    if unsafe options.breaker_wait_ns > 0 { breaker.wait = unsafe options.breaker_wait_ns }
    if unsafe options.breaker_longest_wait_ns > 0 {
      breaker.longestWait = unsafe options.breaker_longest_wait_ns
    }
    if unsafe options.breaker_batches > 0 { breaker.batches = unsafe options.breaker_batches }
    let successes = unsafe options.breaker_successes
    breaker.successes = successes > 0 ? successes : max(1, breaker.batches / 2)
    breaker.openings = unsafe duration(options.breaker_openings, or: breaker.openings)
    golden.interval = unsafe duration(options.golden_interval_ns, or: golden.interval)
    let row = unsafe options.load_failures_in_a_row
    if row > 0 { loads.failuresInARow = row == .max ? 0 : UInt64(row) }
    let percent = unsafe options.load_failure_percent
    if percent > 0 { loads.failurePercent = UInt64(percent) }
  }
}

/// What one of `HITLESS_BREAKER_MODE_…` says.
func isMetricsOnly(_ mode: Int32, _ name: String) throws(Refusal) -> Bool {
  guard (0...1).contains(mode) else {
    throw Refusal(.usage, "'\(name)' is none of HITLESS_BREAKER_MODE_…", found: "\(mode)")
  }
  return mode == 1
}

/// What 0 and `HITLESS_NEVER` stand for: the default, and 0.
func duration(_ value: UInt64, or fallback: UInt64) -> UInt64 {
  switch value {
  case 0: fallback
  case .max: 0
  default: value
  }
}
