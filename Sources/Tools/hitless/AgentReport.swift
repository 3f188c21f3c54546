internal import AgentControl
internal import Bytes

/// What an agent answered, in lines for people.
enum AgentReport {
  static func listing(_ answer: [String: CBOR]) -> [String] {
    var lines = ["instance: \(text(answer["instance"]))"]
    let stable = answer["stable"]?.namedValue ?? [:]
    lines.append("stable: generation \(text(stable["generation"]))")
    lines += modules(stable["modules"])
    lines += restart(answer)
    if let transaction = answer["transaction"]?.namedValue {
      lines += describe(transaction)
    } else {
      lines.append("transaction: none")
    }
    if let line = migration(answer) { lines.append(line) }
    if let operation = answer["operation"]?.textValue { lines.append("operation: \(operation)") }
    let workers = answer["workers"]?.arrayValue ?? []
    lines.append("workers: \(workers.count)")
    for worker in workers.compactMap(\.namedValue) { lines.append("  \(describe(worker: worker))") }
    let counters = answer["counters"]?.namedValue ?? [:]
    lines.append(
      "since start: "
        + ["activations", "confirmations", "rollbacks", "refusals"]
        .map { "\(text(counters[$0])) \($0)" }.joined(separator: ", "))
    lines += guarding(answer["guard"]?.namedValue ?? [:])
    lines += protection(answer["protection"]?.namedValue ?? [:])
    if let ended = answer["ended_workers"]?.unsignedValue, ended > 0 {
      lines.append("ended: the threads of \(ended) workers have ended without unregistering")
    }
    if let overdue = answer["overdue_generations"]?.unsignedValue, overdue > 0 {
      lines.append("overdue: \(overdue) generations are kept because a worker has not moved on")
    }
    return lines
  }

  /// What the start of the host was like, when there is something to say.
  private static func restart(_ answer: [String: CBOR]) -> [String] {
    var lines: [String] = []
    let last = answer["last_run"]?.namedValue ?? [:]
    if let trial = last["trial"]?.unsignedValue {
      lines.append("last run: ended while transaction \(trial) was on trial: rolled back")
    } else if last["ending"] == .text("died") {
      let early = last["early"] == .bool(true)
      lines.append(
        "last run: the host ended without closing"
          + (early ? ", early: \(text(last["deaths"])) in a row" : ""))
    }
    if let abandoned = answer["abandoned"]?.namedValue {
      lines.append(
        "fell back: set \(text(abandoned["number"])) ended its host too often, "
          + "patch \(text(abandoned["patch"]))")
    }
    return lines
  }

  /// What the guard does, and the last fault that it has caught.
  private static func guarding(_ answer: [String: CBOR]) -> [String] {
    guard let budget = answer["budget_ns"]?.unsignedValue else { return [] }
    var lines = [
      "guard: \(text(answer["mode"])), \(budget / 1000) µs per batch, "
        + "watchdog: \(text(answer["watchdog"])), faults: \(text(answer["faults"])), "
        + "deadlines: \(text(answer["expirations"]))"
    ]
    guard let fault = answer["last_fault"]?.namedValue else { return lines }
    lines.append("  last fault: \(place(of: fault))")
    lines += callers(of: fault)
    lines.append(
      "    worker \(text(fault["worker"])) was back on stable after "
        + microseconds(fault["to_stable_ns"]?.unsignedValue ?? 0))
    return lines
  }

  /// What a fault was, and where: "SIGSEGV in qer 1.0.1+0x1240 (enforce+0x20), build-id …".
  static func place(of fault: [String: CBOR]) -> String {
    let symbol = fault["symbol"]?.textValue.map { " (\($0))" } ?? ""
    let offset = fault["offset"]?.unsignedValue.map { "+0x" + String($0, radix: 16) } ?? ""
    return "\(text(fault["signal"])) in \(text(fault["module"]))\(offset)\(symbol), "
      + "build-id \(text(fault["build_id"]))"
  }

  /// One line for each call that led to a fault.
  static func callers(of fault: [String: CBOR]) -> [String] {
    (fault["frames"]?.arrayValue ?? []).map { "    called from \(text($0))" }
  }

  static func installed(_ answer: [String: CBOR]) -> [String] {
    guard let transaction = answer["transaction"]?.namedValue else { return ["staged"] }
    return describe(transaction)
      + ["next: 'hitless agent activate' puts it in force, 'rollback' drops it"]
  }

  static func swapped(_ answer: [String: CBOR]) -> [String] {
    let swap = answer["swap"]?.namedValue ?? [:]
    if answer["repeated"]?.boolValue == true {
      return ["transaction \(text(answer["number"])): is \(text(answer["state"])) already"]
    }
    // No view was published: the candidate had not been in force.
    if swap["publish_ns"] == .unsigned(0) && swap["grace_ns"] == .unsigned(0) {
      return [
        "transaction \(text(answer["number"])): \(text(answer["state"]))",
        "dropped before it was in force: nothing was published",
      ]
    }
    let grace = swap["grace_ns"]?.unsignedValue.map { microseconds($0) } ?? "not over in time"
    var lines = [
      "transaction \(text(answer["number"])): \(text(answer["state"]))",
      "published in \(microseconds(swap["publish_ns"]?.unsignedValue ?? 0)), grace period \(grace)",
    ]
    for worker in (swap["overdue"]?.arrayValue ?? []).compactMap(\.namedValue) {
      lines.append("overdue: \(describe(worker: worker)); what it may use stays mapped")
    }
    if answer["state"] == .text("active") {
      lines.append(deadline(answer["confirm_within_ns"]?.unsignedValue, answer))
    }
    if let ending = answer["rollback"]?.namedValue, answer["state"] == .text("rolled-back") {
      lines.append("because: \(text(ending["reason"])), \(text(ending["detail"]))")
    }
    return lines
  }

  /// What happens to a candidate that nobody confirms.
  private static func deadline(_ remaining: UInt64?, _ answer: [String: CBOR]) -> String {
    if answer["in_shadow"]?.boolValue == true { return "in shadow: no worker has it yet" }
    guard let remaining else { return "in force until it is confirmed or rolled back" }
    let time = "\((remaining + 999_999_999) / 1_000_000_000) s"
    return answer["auto_confirm"]?.boolValue == true
      ? "confirmed by itself when its last step has ended well, or rolled back within \(time)"
      : "rolled back by itself unless it is confirmed within \(time)"
  }

  static func findings(_ answer: [String: CBOR]) -> [String] {
    (answer["findings"]?.arrayValue ?? []).compactMap(\.namedValue).map {
      "\($0["fine"]?.boolValue == true ? "fine" : "NOT FINE"): "
        + "\(text($0["subject"])): \(text($0["detail"]))"
    }
  }

  static func exercised(_ answer: [String: CBOR], of count: UInt64) -> [String] {
    let isWhole = answer["swaps"]?.unsignedValue ?? 0 >= count
    func quantiles(_ item: CBOR?) -> String {
      let values = item?.namedValue ?? [:]
      return ["min", "p50", "p99", "p999", "max"].map {
        "\($0) \(microseconds(values[$0]?.unsignedValue ?? 0))"
      }.joined(separator: ", ")
    }
    return [
      "swaps: \(text(answer["swaps"])), grace periods overdue: \(text(answer["overdue"]))"
        + (isWhole ? "" : "; ended before its time: 'hitless agent watch --after 0' tells why"),
      "publish: \(quantiles(answer["publish_ns"]))", "grace: \(quantiles(answer["grace_ns"]))",
    ]
  }

  static func event(_ event: [String: CBOR]) -> String {
    let seconds = (event["time"]?.unsignedValue ?? 0) / 1_000_000_000
    let time = UTCTime(seconds: seconds)
    let transaction = event["transaction"]?.unsignedValue ?? 0
    let owner = transaction == 0 ? "" : " [\(transaction)]"
    return "\(time) \(text(event["kind"]))\(owner): \(text(event["detail"]))"
  }

  private static func describe(_ transaction: [String: CBOR]) -> [String] {
    let resolves = (transaction["resolves"]?.arrayValue ?? []).map { text($0) }
    var lines = [
      "transaction \(text(transaction["number"])): \(text(transaction["state"])), "
        + "\(text(transaction["product"])) \(text(transaction["release"])), "
        + "sequence \(text(transaction["sequence"])), generation \(text(transaction["generation"]))"
    ]
    if let rollback = transaction["rollback"]?.namedValue {
      lines.append("  rolled back (\(text(rollback["reason"]))): \(text(rollback["detail"]))")
    }
    lines += modules(transaction["modules"])
    if !resolves.isEmpty { lines.append("  resolves \(resolves.joined(separator: ", "))") }
    lines.append("  patch \(text(transaction["patch"]))")
    if let stage = transaction["stage_ns"]?.unsignedValue {
      lines.append("  staged in \(microseconds(stage))")
    }
    lines += shadow(
      transaction["shadow"]?.namedValue, isActive: transaction["state"] == .text("active"))
    lines += rollout(
      transaction["rollout"]?.namedValue, isActive: transaction["state"] == .text("active"))
    if let left = transaction["confirm_within_ns"]?.unsignedValue {
      lines.append("  rolls back in \(left / 1_000_000_000) s unless confirmed")
    }
    return lines
  }

  /// Where a rollout stands, and what was found last.
  private static func rollout(_ rollout: [String: CBOR]?, isActive: Bool) -> [String] {
    guard let rollout else { return [] }
    let next = (rollout["next_decision_ns"]?.unsignedValue ?? 0) / 1_000_000
    let verdict = rollout["verdict"]?.textValue ?? "not looked at yet"
    let why = rollout["why"]?.textValue.map { $0.isEmpty ? "" : " (\($0))" } ?? ""
    let time =
      isActive ? ", next decision in \(next / 1000).\(next % 1000 / 100) s" : " when it ended"
    return [
      "  rollout: \(text(rollout["text"]))\(time)",
      "  health: \(verdict)\(why)",
    ]
  }

  private static func modules(_ item: CBOR?) -> [String] {
    (item?.arrayValue ?? []).compactMap(\.namedValue).map {
      "  \(text($0["slot"])): \(text($0["module"])) \(text($0["version"])), "
        + "build-id \(text($0["build_id"]))"
    }
  }

  static func describe(worker: [String: CBOR]) -> String {
    let view = worker["seen"]?.unsignedValue.map { "view \($0)" } ?? "no view"
    return "\(text(worker["name"])) (thread \(text(worker["thread"])), \(view)): "
      + text(worker["activity"])
  }

  static func microseconds(_ nanoseconds: UInt64) -> String {
    let tenths = (nanoseconds + 50) / 100
    return "\(tenths / 10).\(tenths % 10) µs"
  }

  static func text(_ item: CBOR?) -> String {
    guard let item else { return "?" }
    switch item.json {
    case .string(let text): return text
    case let other: return other.text
    }
  }
}
