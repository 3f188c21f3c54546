internal import AgentControl
internal import Bytes
internal import Probation
internal import Refusal

extension RolloutPlan {
  /// The plan that a request asks for; nil when it asks for none.
  ///
  /// `confirmTimeout` is the host's own, 0 for none.
  init?(_ request: ControlRequest, confirmTimeout: UInt64) throws(Refusal) {
    let names = [
      "canary", "first_workers", "first_share", "steps", "dwell_ns", "confirm_within_ns",
      "auto_confirm", "thresholds",
    ]
    guard names.contains(where: { request.arguments[$0] != nil }) else { return nil }
    self.init(confirmTimeout: confirmTimeout)
    let arguments = PlanArguments(request.arguments)
    let first = try readCanary(arguments)
    let later = try arguments.shares("steps")
    let all = Self.all
    // As much as is bearable between two looks at what may be wrong with everybody.
    let defaults = first == nil && arguments["canary"] == nil ? [all] : [all / 10, all / 2, all]
    steps = Self.steps(kind, first: first, later: later ?? defaults)
    if let dwell = try arguments.number("dwell_ns") { self.dwell = dwell }
    if let within = try arguments.number("confirm_within_ns") { confirmWithin = within }
    confirmsByItself = arguments["auto_confirm"]?.boolValue ?? false
    for (name, value) in arguments["thresholds"]?.namedValue ?? [:] {
      guard let field = HealthThresholds.fields.first(where: { $0.name == name }),
        let number = value.unsignedValue
      else { throw Refusal(.usage, "there is no threshold '\(name.prefix(40))'") }
      thresholds[keyPath: field.path] = number
    }
  }

  /// The defaults, with the time to confirm that the host may have.
  package init(confirmTimeout: UInt64) {
    self.init()
    if confirmTimeout > 0 { confirmWithin = confirmTimeout }
  }

  private mutating func readCanary(_ arguments: PlanArguments) throws(Refusal) -> Amount? {
    if let canary = arguments["canary"] {
      guard let known = Kind.allCases.first(where: { .text($0.name) == canary }) else {
        throw Refusal(
          .usage, "there is no such canary",
          expected: Kind.allCases.map(\.name).joined(separator: ", "), found: canary.json.text)
      }
      kind = known
    }
    if let workers = try arguments.number("first_workers") {
      guard let count = UInt32(exactly: workers) else {
        throw Refusal(.limit, "a canary has \(workers) workers")
      }
      return .workers(count)
    }
    return try arguments.number("first_share").map { .share(UInt32(clamping: $0)) }
  }
}

/// The arguments of a request that concern a plan.
private struct PlanArguments {
  private let values: [String: CBOR]

  init(_ values: [String: CBOR]) { self.values = values }

  subscript(name: String) -> CBOR? { values[name] }

  func number(_ name: String) throws(Refusal) -> UInt64? {
    guard let value = values[name] else { return nil }
    guard let number = value.unsignedValue else {
      throw Refusal(.usage, "'\(name)' is no number")
    }
    return number
  }

  func shares(_ name: String) throws(Refusal) -> [UInt32]? {
    guard let value = values[name] else { return nil }
    let shares = value.arrayValue?.compactMap { $0.unsignedValue.map { UInt32(clamping: $0) } }
    guard let shares, shares.count == value.arrayValue?.count, shares.count <= RolloutPlan.stepLimit
    else { throw Refusal(.usage, "'\(name)' is no list of shares") }
    return shares
  }
}
