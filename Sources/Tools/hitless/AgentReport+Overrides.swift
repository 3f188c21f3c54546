internal import AgentControl
internal import Bytes

/// What overrides and figures look like.
extension AgentReport {
  static func frozen(_ answer: [String: CBOR]) -> [String] {
    let number = answer["rolled_back"]?.unsignedValue
    let rolledBack = number.map { "transaction \($0) was rolled back" }
    if let module = answer["module"]?.textValue {
      return [
        "frozen: module \(module), " + (rolledBack ?? "no patch of which was on trial"),
        "no patch that changes it is taken until 'hitless agent release --module \(module)'",
      ]
    }
    return [
      "frozen: " + (rolledBack ?? "nothing was on trial"),
      "no patch is taken until 'hitless agent release'",
    ]
  }

  static func released(_ answer: [String: CBOR]) -> [String] {
    if let module = answer["module"]?.textValue {
      return [
        "released: "
          + (answer["frozen"] == .bool(true)
            ? "module \(module); no patch is taken until 'hitless agent release'"
            : "patches of module \(module) are taken again")
      ]
    }
    guard let patch = answer["patch"]?.textValue else {
      return ["released: patches are taken again"]
    }
    return ["released: patch \(patch) may be installed and activated"]
  }

  /// What keeps patches out, when something does.
  static func protection(_ answer: [String: CBOR]) -> [String] {
    var lines: [String] = []
    for name in ["frozen", "stopped"] {
      guard let hold = answer[name]?.namedValue else { continue }
      lines.append("\(name): \(since(hold))")
    }
    for hold in (answer["held"]?.arrayValue ?? []).compactMap(\.namedValue) {
      lines.append("frozen: module \(hold["module"]?.textValue ?? ""), \(since(hold))")
    }
    for name in answer["damaged"]?.arrayValue ?? [] {
      lines.append("ALARM: the memory of module \(name.textValue ?? "") has changed")
    }
    for breaker in (answer["breakers"]?.arrayValue ?? []).compactMap(\.namedValue) {
      guard let openings = breaker["openings"]?.unsignedValue, openings > 0 else { continue }
      let left = breaker["left_ns"]?.unsignedValue ?? 0
      lines.append(
        "breaker: \(breaker["module"]?.textValue ?? "") \(breaker["state"]?.textValue ?? ""), "
          + "openings: \(openings)" + (left > 0 ? ", \(left / 1_000_000_000 + 1) s left" : "")
          + ", patch \((breaker["patch"]?.bytesValue ?? []).hex)")
    }
    return lines
  }

  private static func since(_ hold: [String: CBOR]) -> String {
    let time = UTCTime(seconds: (hold["time"]?.unsignedValue ?? 0) / 1_000_000_000)
    let user = hold["user"]?.unsignedValue.map { " by user \($0)" } ?? ""
    return "since \(time)\(user): \(hold["reason"]?.textValue ?? "")"
  }

  /// The families, with times as numbers.
  static func metrics(_ answer: [String: CBOR]) -> JSON {
    let families = answer["families"]?.arrayValue ?? []
    return .object([("families", .array(families.compactMap(\.namedValue).map(family)))])
  }

  private static func family(_ family: [String: CBOR]) -> JSON {
    let samples = (family["samples"]?.arrayValue ?? []).compactMap(\.namedValue)
    return .object([
      ("name", family["name"]?.json ?? .null), ("type", family["type"]?.json ?? .null),
      ("help", family["help"]?.json ?? .null),
      (
        "samples",
        .array(
          samples.map {
            .object([
              ("name", $0["name"]?.json ?? .null), ("labels", $0["labels"]?.json ?? .null),
              ("value", value($0["value"])),
            ])
          })
      ),
    ])
  }

  private static func value(_ item: CBOR?) -> JSON {
    guard let text = item?.textValue else { return item?.json ?? .null }
    return Double(text).map { .number($0) } ?? .string(text)
  }
}
