internal import AgentControl
internal import Bytes

extension AgentReport {
  /// What copies of batches have shown of a candidate, and the first divergences with both results.
  static func shadow(_ shadow: [String: CBOR]?, isActive: Bool) -> [String] {
    guard let shadow else { return [] }
    var lines = ["  shadow: \(shadowState(shadow, isActive: isActive))"]
    if let verdict = shadow["verdict"]?.textValue {
      let why = shadow["why"]?.textValue.map { $0.isEmpty ? "" : " (\($0))" } ?? ""
      lines.append("  results: \(verdict)\(why)")
    }
    if let fault = shadow["stable_fault"]?.namedValue {
      lines.append(
        "  stable faulted on a copy of a batch of worker \(text(fault["copy_of"])): "
          + place(of: fault))
      lines += callers(of: fault)
    }
    lines += shadowKinds(shadow).map { "    \($0)" }
    let first = (shadow["first"]?.arrayValue ?? []).compactMap(\.namedValue)
    lines += first.map { "    \(text($0["text"]))" }
    return lines
  }

  /// How far a shadow has got, on one line.
  static func shadowState(_ shadow: [String: CBOR], isActive: Bool) -> String {
    let counts =
      "\(text(shadow["share"])) of batches, \(text(shadow["compared"])) compared, "
      + "\(text(shadow["skipped"])) skipped, \(text(shadow["divergences"])) divergences"
    guard isActive, shadow["over"] != .bool(true) else { return "\(counts), over" }
    let next = (shadow["next_decision_ns"]?.unsignedValue ?? 0) / 1_000_000
    return "\(counts), next decision in \(next / 1000).\(next % 1000 / 100) s"
  }

  /// One line for each kind of output that has differed.
  static func shadowKinds(_ shadow: [String: CBOR]) -> [String] {
    (shadow["kinds"]?.arrayValue ?? []).compactMap(\.namedValue).map {
      "\(text($0["output"])) of \(text($0["module"])): \(text($0["count"]))"
    }
  }
}
