internal import AgentControl
internal import Bytes

/// One picture of an agent: what `list` has answered and what has happened, on so many columns and rows.
///
/// Every line fits; what does not fit below is left out, events first. Nothing in it can move the cursor.
struct WatchScreen {
  /// The answer of `list`; nil while the agent cannot be reached.
  let listing: [String: CBOR]?
  /// The oldest first.
  let events: [String]
  let width: Int
  let height: Int
  /// The time that it shows.
  let time: String

  /// From top to bottom.
  var lines: [String] {
    let top = listing.map { sections($0) } ?? [["no answer from the agent: waiting for it"]]
    var rows = [head]
    for section in top where !section.isEmpty {
      guard rows.count + 1 + section.count <= height else { break }
      rows += [""] + section
    }
    let left = height - rows.count - 2
    if left > 0 && !events.isEmpty {
      rows += ["", "events"] + events.suffix(left - 1).map { "  " + $0 }
    }
    return rows.prefix(max(0, height)).map { fitted($0) }
  }

  private var head: String {
    let name = listing.map { "hitless: \(AgentReport.text($0["instance"]))" } ?? "hitless"
    let gap = max(1, width - name.count - time.count)
    return name + String(repeating: " ", count: gap) + time
  }

  private func fitted(_ line: String) -> String {
    let plain = line.printable
    return plain.count > width ? plain.prefix(max(0, width - 1)) + "…" : plain
  }

  private func sections(_ listing: [String: CBOR]) -> [[String]] {
    let transaction = listing["transaction"]?.namedValue
    return [
      stable(listing), transaction.map { trial($0) } ?? ["no transaction"],
      AgentReport.migration(listing).map { [$0] } ?? [],
      figures(listing["health"]?.namedValue), histogram(listing["health"]?.namedValue),
      workers(listing["workers"]?.arrayValue ?? []),
    ]
  }

  private func stable(_ listing: [String: CBOR]) -> [String] {
    let stable = listing["stable"]?.namedValue ?? [:]
    let counters = listing["counters"]?.namedValue ?? [:]
    let counts = ["activations", "confirmations", "rollbacks", "faults", "refusals"]
      .map { "\(AgentReport.text(counters[$0])) \($0)" }.joined(separator: ", ")
    return [
      "stable   generation \(AgentReport.text(stable["generation"])): \(modules(stable["modules"]))",
      "so far   \(counts)",
    ]
  }

  private func modules(_ item: CBOR?) -> String {
    (item?.arrayValue ?? []).compactMap(\.namedValue).map {
      "\(AgentReport.text($0["module"])) \(AgentReport.text($0["version"])) "
        + "(\(AgentReport.text($0["build_id"]).prefix(8)))"
    }.joined(separator: ", ")
  }

  private func trial(_ transaction: [String: CBOR]) -> [String] {
    var lines = [
      "trial    transaction \(AgentReport.text(transaction["number"])) "
        + "is \(AgentReport.text(transaction["state"])): "
        + "\(AgentReport.text(transaction["product"])) \(AgentReport.text(transaction["release"])), "
        + "generation \(AgentReport.text(transaction["generation"]))",
      "         \(modules(transaction["modules"]))",
    ]
    if let left = transaction["confirm_within_ns"]?.unsignedValue {
      lines.append("         rolls back in \(seconds(left)) unless confirmed")
    }
    lines += shadow(transaction)
    guard let rollout = transaction["rollout"]?.namedValue, transaction["state"] == .text("active")
    else { return lines }
    let dwell = rollout["dwell_ns"]?.unsignedValue ?? 0
    let elapsed = rollout["elapsed_ns"]?.unsignedValue ?? 0
    let why = rollout["why"]?.textValue.map { $0.isEmpty ? "" : ": \($0)" } ?? ""
    lines += [
      "rollout  \(AgentReport.text(rollout["text"]))  \(bar(elapsed, of: dwell, 20))  "
        + "\(seconds(elapsed)) of \(seconds(dwell))",
      "         next decision in \(seconds(rollout["next_decision_ns"]?.unsignedValue ?? 0))",
      "health   \(rollout["verdict"]?.textValue ?? "not looked at yet")\(why)",
    ]
    return lines
  }

  /// How a comparison on copies goes on, and what it has found.
  private func shadow(_ transaction: [String: CBOR]) -> [String] {
    guard let shadow = transaction["shadow"]?.namedValue else { return [] }
    let isActive = transaction["state"] == .text("active")
    let kinds = AgentReport.shadowKinds(shadow).prefix(4).map { "         \($0)" }
    guard isActive, shadow["over"] != .bool(true) else {
      return ["shadow   \(AgentReport.shadowState(shadow, isActive: false))"] + kinds
    }
    let elapsed = shadow["elapsed_ns"]?.unsignedValue ?? 0
    let limit = shadow["limit_ns"]?.unsignedValue ?? 0
    return [
      "shadow   \(AgentReport.shadowState(shadow, isActive: true))  \(bar(elapsed, of: limit, 20))"
    ] + kinds
  }

  /// Stable's and the candidate's figures of the step, one subject per line.
  private func figures(_ health: [String: CBOR]?) -> [String] {
    guard let health else { return [] }
    let packets = health["packets"]?.namedValue
    var rows = [["this step", "stable", "candidate"]]
    rows.append([
      "packets", AgentReport.text(packets?["stable"]), AgentReport.text(packets?["candidate"]),
    ])
    let counts = (health["counts"]?.arrayValue ?? []).compactMap(\.namedValue)
    let seen = counts.filter { $0["stable"] != .unsigned(0) || $0["candidate"] != .unsigned(0) }
    for count in seen {
      rows.append(
        [AgentReport.text(count["name"])]
          + ["stable", "candidate"].map { AgentReport.text(count[$0]) })
    }
    for series in (health["samples"]?.arrayValue ?? []).compactMap(\.namedValue) {
      let unit = series["unit"]?.textValue ?? ""
      rows.append(
        ["\(AgentReport.text(series["name"]))\(unit.isEmpty ? "" : ", \(unit)") p50/p95/p99"]
          + ["stable", "candidate"].map { quantiles(series[$0]?.namedValue ?? [:]) })
    }
    let none = counts.count - seen.count
    return table(rows) + (none > 0 ? ["none of \(none) more kinds of drops and errors"] : [])
  }

  private func quantiles(_ values: [String: CBOR]) -> String {
    guard let count = values["count"]?.unsignedValue, count > 0 else { return "no samples" }
    return ["p50", "p95", "p99"].map { AgentReport.text(values[$0]) }.joined(separator: " / ")
      + " (\(count))"
  }

  /// Three columns under the names in the first of `rows`.
  ///
  /// A figure is never cut: the longest rows have either side's cell on a line of its own, until the others fit.
  private func table(_ rows: [[String]]) -> [String] {
    let gap = "   "
    let names = rows[0].dropFirst()
    var columns = rows
    var widths: [Int] {
      (0..<3).map { column in columns.map { $0[column].count }.max() ?? 0 }
    }
    while columns.count > 1, widths.reduce(2 * gap.count, +) > width {
      let lengths = columns.dropFirst().map { $0.joined().count }
      let longest = lengths.indices.max { lengths[$0] < lengths[$1] } ?? 0
      columns.remove(at: longest + 1)
    }
    let widest = widths
    return rows.flatMap { row in
      guard columns.contains(row) else {
        return [row[0]] + zip(names, row.dropFirst()).map { "  \($0)\(gap)\($1)" }
      }
      let cells = zip(row, widest).map { cell, width in
        cell + String(repeating: " ", count: width - cell.count)
      }
      return [cells.joined(separator: gap)]
    }
  }

  /// How the times of whole batches are spread, stable's to the left, the candidate's to the right.
  private func histogram(_ health: [String: CBOR]?) -> [String] {
    let series = (health?["samples"]?.arrayValue ?? []).compactMap(\.namedValue).first
    let buckets = (series?["histogram"]?.arrayValue ?? []).compactMap(\.arrayValue)
      .compactMap { Bucket($0) }
    guard let series, !buckets.isEmpty else { return [] }
    let room = max(4, min(30, (width - 16) / 2))
    let (old, new) = (buckets.reduce(0) { $0 + $1.stable }, buckets.reduce(0) { $0 + $1.candidate })
    let most = buckets.map { max($0.stable / max(1, old), $0.candidate / max(1, new)) }.max() ?? 1
    let title = AgentReport.text(series["name"])
    let unit = AgentReport.text(series["unit"])
    return ["\(title), \(unit), share of samples: stable | candidate"]
      + buckets.map { bucket in
        let left = blocks(bucket.stable / max(1, old) / most, room)
        let right = blocks(bucket.candidate / max(1, new) / most, room)
        let label = "\(bucket.lowest)"
        return String(repeating: " ", count: max(0, 9 - label.count)) + label + " "
          + String(repeating: " ", count: room - left.count) + left + "|" + right
      }
  }

  private struct Bucket {
    let lowest: UInt64
    let stable: Double
    let candidate: Double

    init?(_ items: [CBOR]) {
      let numbers = items.compactMap(\.unsignedValue)
      guard numbers.count == 3 else { return nil }
      (lowest, stable, candidate) = (numbers[0], Double(numbers[1]), Double(numbers[2]))
    }
  }

  private func workers(_ workers: [CBOR]) -> [String] {
    let shown = workers.compactMap(\.namedValue).map { "  " + AgentReport.describe(worker: $0) }
    let kept = shown.prefix(8)
    let more = shown.count > kept.count ? ["  and \(shown.count - kept.count) more"] : []
    return ["workers  \(shown.count)"] + kept + more
  }

  private func bar(_ part: UInt64, of whole: UInt64, _ width: Int) -> String {
    let share = whole == 0 ? 1 : min(1, Double(part) / Double(whole))
    let full = blocks(share, width)
    return full + String(repeating: "░", count: width - full.count)
  }

  private func blocks(_ share: Double, _ width: Int) -> String {
    guard share > 0 else { return "" }
    return String(repeating: "█", count: max(1, min(width, Int((share * Double(width)).rounded()))))
  }

  private func seconds(_ nanoseconds: UInt64) -> String {
    let tenths = nanoseconds / 100_000_000
    return "\(tenths / 10).\(tenths % 10) s"
  }
}
