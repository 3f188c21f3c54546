internal import AgentControl
internal import Bytes
internal import Platform
internal import Probation
internal import Refusal

extension Agent {
  /// How often a watcher that is sent nothing is looked after, in nanoseconds.
  private static let watchPause: UInt64 = 200_000_000

  /// Answers one request of the control socket.
  func answer(_ request: ControlRequest, _ peer: PeerCredentials, _ stream: ControlStream) {
    do throws(Refusal) {
      if request.verb == "watch" { return try watch(request, stream) }
      try stream.send(.done(try values(for: request, peer)))
    } catch {
      // A client that has gone needs no answer.
      try? stream.send(.refused(error))
    }
  }

  private func values(
    for request: ControlRequest, _ peer: PeerCredentials
  ) throws(Refusal) -> [String: CBOR] {
    switch request.verb {
    case "list": return listing()
    case "install": return try installed(request)
    case "activate":
      let number = try transaction(request)
      let plan = try RolloutPlan(request, confirmTimeout: options.confirmTimeout)
      let eager = request.arguments["eager_records"]?.unsignedValue
      let shadow = try ShadowPlan(request)
      return swapped(number, try activate(number, plan, shadow: shadow, eagerRecords: eager))
    case "confirm":
      let number = try transaction(request)
      return swapped(number, try confirm(number))
    case "rollback":
      let number = try transaction(request)
      let reason = request.arguments["reason"]?.textValue ?? "asked for by an operator"
      return swapped(number, try rollback(number, detail: String(reason.prefix(200))))
    case "doctor":
      let findings = doctor()
      return [
        "fine": .bool(findings.allSatisfy(\.isFine)),
        "findings": .array(
          findings.map {
            .named([
              "subject": .text($0.subject), "fine": .bool($0.isFine), "detail": .text($0.detail),
            ])
          }),
      ]
    case "exercise": return try exercised(request)
    case "freeze":
      let reason = request.arguments["reason"]?.textValue ?? "asked for by an operator"
      let module = try module(request)
      let number = try freeze(module: module, reason: reason, by: .peer(peer))
      return [
        "frozen": .bool(true), "module": module.map { .text($0) } ?? .null,
        "rolled_back": number.map { .unsigned($0) } ?? .null,
      ]
    case "release": return try released(request, peer)
    case "metrics": return metricsAnswer()
    case "symbols": return symbols()
    case "image": return try image(request)
    default:
      throw Refusal(
        .usage, "this agent knows no verb '\(request.verb.prefix(40))'",
        hint: "the command line may be newer than the host")
    }
  }

  private func installed(_ request: ControlRequest) throws(Refusal) -> [String: CBOR] {
    guard let patch = request.arguments["patch"]?.bytesValue else {
      throw Refusal(.usage, "'install' needs the bytes of a patch")
    }
    let number = try install(patch: patch)
    guard let transaction = state.withLock({ $0.transaction }), transaction.number == number else {
      return ["transaction": .named(["number": .unsigned(number)])]
    }
    return ["transaction": describe(transaction)]
  }

  private func released(
    _ request: ControlRequest, _ peer: PeerCredentials
  ) throws(Refusal) -> [String: CBOR] {
    let module = try module(request)
    guard let named = request.arguments["patch"] else {
      guard let module else {
        try release(by: .peer(peer))
        return ["frozen": .bool(false)]
      }
      try release(module: module, by: .peer(peer))
      // All may be frozen still, or stopped by the agent itself.
      let isFrozen = state.withLock { $0.protection.frozen != nil || $0.protection.stopped != nil }
      return ["frozen": .bool(isFrozen), "module": .text(module)]
    }
    guard module == nil else {
      throw Refusal(.usage, "a patch or a module is released, not both in one")
    }
    guard let prefix = named.textValue else {
      throw Refusal(.usage, "a patch is named by the beginning of its identity")
    }
    return ["patch": .text(try release(patch: prefix, by: .peer(peer)))]
  }

  /// The module that a request names.
  private func module(_ request: ControlRequest) throws(Refusal) -> String? {
    guard let named = request.arguments["module"] else { return nil }
    guard let module = named.textValue else {
      throw Refusal(.usage, "a module is named by its name")
    }
    return module
  }

  private func swapped(_ number: UInt64, _ report: SwapReport) -> [String: CBOR] {
    let transaction = state.withLock { $0.transaction }.flatMap { $0.number == number ? $0 : nil }
    let remaining = transaction?.confirmBy.map { Deadline.at($0).remaining }
    return [
      "number": .unsigned(number), "state": .text((transaction?.state ?? .none).name),
      "swap": report.cbor, "repeated": .bool(report.isRepeated),
      "confirm_within_ns": remaining.map { .unsigned($0) } ?? .null,
      "auto_confirm": .bool(transaction?.rollout?.plan.confirmsByItself ?? false),
      "in_shadow": .bool(transaction?.shadow.map { !$0.isOver } ?? false),
      "rollback": transaction?.ending.map { $0.cbor } ?? .null,
    ]
  }

  /// The transaction that a request names, or the one there is.
  private func transaction(_ request: ControlRequest) throws(Refusal) -> UInt64 {
    guard let named = request.arguments["transaction"] else {
      do throws(Refusal) {
        return try currentTransaction()
      } catch {
        // Asked outside of any operation, which would write it down.
        noteRefusal(of: request.verb, 0, error)
        throw error
      }
    }
    guard let number = named.unsignedValue else {
      throw Refusal(.usage, "a transaction is named by its number")
    }
    return number
  }

  private func exercised(_ request: ControlRequest) throws(Refusal) -> [String: CBOR] {
    let count = request.arguments["count"]?.unsignedValue ?? 1000
    let interval = request.arguments["interval_ns"]?.unsignedValue ?? 0
    return try exercise(
      try transaction(request), count: count, intervalNanoseconds: interval
    ).values
  }

  /// Sends one message per event until the client goes or the agent stops.
  private func watch(_ request: ControlRequest, _ stream: ControlStream) throws(Refusal) {
    var seen = request.arguments["after"]?.unsignedValue ?? events.last
    while !stream.isStopping {
      guard let event = nextEvent(after: seen, timeout: Self.watchPause) else {
        // A client that has gone must not hold its connection until something happens.
        if stream.isInterrupted { return }
        continue
      }
      seen = event.number
      try stream.send(
        .done([
          "number": .unsigned(event.number), "time": .unsigned(event.time),
          "kind": .text(event.kind), "transaction": .unsigned(event.transaction),
          "detail": .text(event.detail),
          "class": event.refusal.map { .text($0.name) } ?? .null,
        ]))
    }
  }
}
