internal import AgentControl
internal import ArgumentParser
internal import Bytes
internal import Probation

/// How `activate` puts a candidate in force; without any of these, for every worker at once.
struct RolloutOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "What gets the candidate first: 'worker:1', 'batches:5%' or 'flows:10%'.",
      valueName: "kind:amount"))
  var canary: CanaryChoice?
  @Option(
    help: ArgumentHelp(
      "Shares that follow, ending with 100% (with --canary: 10%,50%,100%).", valueName: "shares"))
  var steps: ShareList?
  @Option(help: ArgumentHelp("How long a step lasts at least (default: 30s).", valueName: "time"))
  var dwell: TimeSpan?
  @Option(
    help: ArgumentHelp(
      "Roll back unless it was confirmed by then (default: the host's, or 10m).", valueName: "time")
  )
  var confirmWithin: TimeSpan?
  @Flag(help: "Confirm without being asked when the last step has ended well.")
  var autoConfirm = false
  @Option(
    help: ArgumentHelp(
      "What health is judged by, such as 'min-samples=500'; may be repeated.",
      valueName: "name=value"))
  var threshold: [ThresholdChoice] = []

  func validate() throws {
    if let last = steps?.shares.last, last != RolloutPlan.all {
      throw ValidationError("--steps must end with 100%")
    }
  }

  /// The arguments of a request; none without an option.
  var arguments: [String: CBOR] {
    var arguments: [String: CBOR] = [:]
    if let canary {
      arguments["canary"] = .text(canary.kind.name)
      switch canary.first {
      case .workers(let count)?: arguments["first_workers"] = .unsigned(UInt64(count))
      case .share(let share)?: arguments["first_share"] = .unsigned(UInt64(share))
      case nil: break
      }
    }
    if let steps { arguments["steps"] = .array(steps.shares.map { .unsigned(UInt64($0)) }) }
    if let dwell { arguments["dwell_ns"] = .unsigned(dwell.nanoseconds) }
    if let confirmWithin { arguments["confirm_within_ns"] = .unsigned(confirmWithin.nanoseconds) }
    if autoConfirm { arguments["auto_confirm"] = .bool(true) }
    if !threshold.isEmpty {
      let pairs = threshold.map { ($0.name, CBOR.unsigned($0.value)) }
      arguments["thresholds"] = .named(Dictionary(pairs, uniquingKeysWith: { $1 }))
    }
    return arguments
  }
}

/// `worker:1`, `batches:5%`, `flows:10%`, or a kind alone.
struct CanaryChoice: ExpressibleByArgument {
  let kind: RolloutPlan.Kind
  let first: RolloutPlan.Amount?

  init?(argument: String) {
    let parts = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts[0] == "workers" ? "worker" : parts[0]
    guard let kind = RolloutPlan.Kind.allCases.first(where: { $0.name == name }) else { return nil }
    self.kind = kind
    guard parts.count == 2 else {
      first = nil
      return
    }
    if let share = ShareList.share(parts[1]), share > 0 {
      first = .share(share)
    } else if kind == .workers, let count = UInt32(parts[1]), (1...65_536).contains(count) {
      first = .workers(count)
    } else {
      return nil
    }
  }
}

/// `1%,10%,50%,100%`.
struct ShareList: ExpressibleByArgument {
  let shares: [UInt32]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let shares = parts.compactMap(Self.share)
    guard shares.count == parts.count else { return nil }
    self.shares = shares
  }

  /// A share in per cent, with up to two decimals, as 65 536ths: never nothing for more than nothing.
  static func share(_ text: Substring) -> UInt32? {
    guard text.last == "%" else { return nil }
    let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), parts.allSatisfy({ $0.allSatisfy(\.isASCII) }),
      let whole = UInt32(parts[0]), whole <= 100
    else { return nil }
    var hundredths = whole * 100
    if parts.count == 2 {
      guard (1...2).contains(parts[1].count), let rest = UInt32(parts[1]) else { return nil }
      hundredths += parts[1].count == 1 ? rest * 10 : rest
    }
    guard hundredths <= 10_000 else { return nil }
    let share = (hundredths * RolloutPlan.all + 5000) / 10_000
    return hundredths > 0 ? max(1, share) : 0
  }
}

/// `500ms`, `30s`, `10m`, `2h`.
struct TimeSpan: ExpressibleByArgument {
  let nanoseconds: UInt64

  init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && $0.isNumber }
    let units: [String: UInt64] = [
      "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000,
    ]
    guard let count = UInt64(digits), count > 0,
      let unit = units[String(argument.dropFirst(digits.count))]
    else { return nil }
    let (product, isOver) = count.multipliedReportingOverflow(by: unit)
    guard !isOver else { return nil }
    nanoseconds = product
  }
}

/// `min-samples=500`.
struct ThresholdChoice: ExpressibleByArgument {
  let name: String
  let value: UInt64

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1)
    guard parts.count == 2, let value = UInt64(parts[1]),
      let field = HealthThresholds.fields.first(where: { $0.name == parts[0] }),
      field.range.contains(value)
    else { return nil }
    name = field.name
    self.value = value
  }

  static var allValueStrings: [String] {
    HealthThresholds.fields.map { "\($0.name)=\(HealthThresholds()[keyPath: $0.path])" }
  }
}
