internal import Bytes
internal import Journal
internal import Platform
internal import Refusal

/// How many refusals may be written to the audit log in a row, so that a flood of them cannot fill the disk.
struct RefusalThrottle: Sendable {
  /// Lines that may come at once.
  static let burst = 20
  /// After that, one line per so many nanoseconds.
  static let interval: UInt64 = 1_000_000_000

  private var credit = burst
  private var last: UInt64 = 0
  private var suppressed: UInt64 = 0

  init() {}

  /// How many lines were left out since the last one; counts from 0 again.
  mutating func drain() -> UInt64 {
    defer { suppressed = 0 }
    return suppressed
  }

  /// Whether a line may be written now; if so, how many were left out since the last one.
  mutating func admit(at now: UInt64) -> UInt64? {
    let earned = (now &- last) / Self.interval
    if earned > 0 {
      credit = Int(min(UInt64(Self.burst), UInt64(credit) &+ earned))
      last = now
    }
    guard credit > 0 else {
      suppressed += 1
      return nil
    }
    credit -= 1
    defer { suppressed = 0 }
    return suppressed
  }
}

extension Agent {
  /// Writes a transition to the audit log and to whoever watches; the log's failure is the caller's.
  func record(
    _ kind: String, _ transaction: UInt64, _ detail: String, _ more: [(String, JSON)] = []
  ) throws(Refusal) {
    let now = WallClock.now
    try journal.record(
      AuditEntry(
        kind, time: now,
        [("transaction", .unsigned(transaction)), ("detail", .string(detail))] + more))
    events.append(kind, time: now, transaction: transaction, detail: detail)
    options.log(6, "\(options.instance): \(kind): \(detail)")
  }

  /// The same where nothing can be undone any more: a full disk must not hide what was done.
  func note(
    _ kind: String, _ transaction: UInt64, _ detail: String, _ more: [(String, JSON)] = []
  ) {
    do throws(Refusal) {
      try record(kind, transaction, detail, more)
    } catch {
      events.append(kind, time: WallClock.now, transaction: transaction, detail: detail)
      options.log(6, "\(options.instance): \(kind): \(detail)")
      options.log(4, "\(options.instance): the audit log cannot be written: \(error)")
    }
  }

  /// Writes down how many refusals the throttle has left out since the last line, before nobody can any more.
  func noteSuppressedRefusals() {
    let left = state.withLock { $0.throttle.drain() }
    guard left > 0 else { return }
    note("refused", 0, "\(left) more refusals", [("suppressed", .unsigned(left))])
  }

  /// Counts a refusal and writes it down, as far as the throttle lets it.
  func noteRefusal(of operation: String, _ transaction: UInt64, _ refusal: Refusal) {
    let left = state.withLock { state -> UInt64? in
      state.counters.refusals += 1
      if operation == "install" { state.metrics.count(.refused) }
      return state.throttle.admit(at: MonotonicClock.now)
    }
    let now = WallClock.now
    events.append(
      "refused", time: now, transaction: transaction, detail: "\(operation): \(refusal)",
      refusal: refusal.kind)
    guard let left, !state.withLock({ $0.isClosed }) else { return }
    options.log(4, "\(options.instance): refused \(operation): \(refusal)")
    let entry = AuditEntry(
      "refused", time: now,
      [
        ("transaction", .unsigned(transaction)), ("operation", .string(operation)),
        ("refusal", refusal.json), ("suppressed", .unsigned(left)),
      ])
    do throws(Refusal) {
      try journal.record(entry)
    } catch {
      options.log(4, "\(options.instance): the audit log cannot be written: \(error)")
    }
  }

  /// Runs one operation while no other one runs; a refusal is counted and written down.
  ///
  /// `end` is what becomes visible with its end: whoever finds that finds nobody in the way of what is to come next.
  func exclusively<Value>(
    _ operation: String, _ transaction: UInt64 = 0, _ body: () throws(Refusal) -> Value,
    atEnd end: (inout State, Value) -> Void = { _, _ in }
  ) throws(Refusal) -> Value {
    do throws(Refusal) {
      try state.withLock { (state) throws(Refusal) in
        guard !state.isClosed else { throw Refusal(.state, "the agent was closed") }
        if let running = state.operation {
          throw Refusal(
            .busy, "the agent is in the middle of '\(running)'", hint: "try again when it is done")
        }
        state.operation = operation
      }
      do throws(Refusal) {
        let value = try body()
        state.withLock { state in
          end(&state, value)
          state.operation = nil
        }
        return value
      } catch {
        state.withLock { $0.operation = nil }
        throw error
      }
    } catch {
      noteRefusal(of: operation, transaction, error)
      throw error
    }
  }
}
