internal import AgentControl
internal import Bytes
internal import Digests
internal import ElfImage
internal import HotSwap
internal import Journal
package import Platform
package import Refusal
internal import Staging
internal import Verification

/// Who asks for something that overrides the agent.
package enum Override: Sendable {
  /// The host itself, by the C ABI or in Swift.
  case host
  /// Who has connected to the control socket.
  case peer(PeerCredentials)

  fileprivate var user: UInt32? {
    guard case .peer(let peer) = self else { return nil }
    return peer.user
  }

  fileprivate var json: [(String, JSON)] {
    guard case .peer(let peer) = self else { return [("by", .string("host"))] }
    return [
      ("by", .string("operator")), ("user", .unsigned(UInt64(peer.user))),
      ("group", .unsigned(UInt64(peer.group))), ("process", .integer(Int64(peer.process))),
    ]
  }

  fileprivate var name: String {
    guard case .peer(let peer) = self else { return "the host" }
    return "user \(peer.user), process \(peer.process)"
  }
}

extension Agent {
  /// Shortest beginning of a patch's identity by which it may be named.
  private static let identityPrefix = 8

  /// Puts traffic on stable at once, and lets no patch in until `release`, over restarts too; with a module's name
  /// only patches that change that module are meant.
  ///
  /// Returns the transaction that was rolled back for it. Workers are on stable with their next batch, before this
  /// waits for anything; what cannot be written on the device holds until the host ends, and is thrown.
  package func freeze(
    module: String? = nil, reason: String, by who: Override
  ) throws(Refusal) -> UInt64? {
    let reason = Self.short(reason)
    let hold = BreakerRecord.Hold(time: WallClock.now, user: who.user, reason: reason)
    try state.withLock { state throws(Refusal) in
      guard !state.isClosed else { throw Refusal(.state, "the agent was closed") }
      try state.hold(module, hold)
      if state.mayServeCandidate && state.isFrozen(module) { state.takeCandidateOut() }
    }
    let number = rollBackFrozen(module, reason)
    let problem = keepProtection()
    note(
      "frozen", number ?? 0, (module.map { "module '\($0)' " } ?? "") + "by \(who.name): \(reason)",
      who.json + Self.json(module) + [
        ("reason", .string(reason)), ("durable", .bool(problem == nil)),
      ])
    guard var problem else { return number }
    problem.hint =
      "\(module.map { "module '\($0)'" } ?? "the agent") is frozen, but only until this host ends"
    throw problem
  }

  private static func json(_ module: String?) -> [(String, JSON)] {
    module.map { [("module", .string($0))] } ?? []
  }

  /// Lets patches in again, of every module; throws when none was kept out.
  package func release(by who: Override) throws(Refusal) {
    guard state.withLock({ $0.protection.keepsOut }) else {
      throw Refusal(
        .state, "the agent is not frozen",
        hint: "a patch in quarantine is released by 'release --patch ID'")
    }
    try writeProtection { before in
      var after = before
      (after.frozen, after.held, after.stopped) = (nil, [:], nil)
      after.loads.reset()
      return after
    }
    note("released", 0, "patches are taken again, by \(who.name)", who.json)
  }

  /// Lets patches that change `module` in again; throws when it was not that which kept them out.
  package func release(module: String, by who: Override) throws(Refusal) {
    guard state.withLock({ $0.protection.held[module] != nil }) else {
      throw Refusal(
        .state, "module '\(module.prefix(80))' is not frozen",
        hint: "'hitless agent list' says what is; 'release' without a module ends all of it")
    }
    try writeProtection { before in
      var after = before
      after.held[module] = nil
      return after
    }
    note(
      "released", 0, "patches of module '\(module)' are taken again, by \(who.name)",
      who.json + Self.json(module))
  }

  /// Forgets what there was against the one patch whose identity begins with `prefix`, in hexadecimal; returns
  /// all of it.
  package func release(patch prefix: String, by who: Override) throws(Refusal) -> String {
    let prefix = prefix.lowercased()
    guard prefix.utf8.count >= Self.identityPrefix else {
      throw Refusal(
        .usage, "'\(prefix.prefix(80))' is too short to name a patch",
        expected: "\(Self.identityPrefix) digits or more of its identity")
    }
    let known = state.withLock { state in
      Set(state.protection.breakers.all.filter { $0.breaker.openings > 0 }.map(\.key.patch))
    }
    let found = known.filter { $0.hex.hasPrefix(prefix) }
    guard let patch = found.first, found.count == 1 else {
      throw Refusal(
        .state,
        found.isEmpty
          ? "nothing is held against a patch '\(prefix.prefix(80))'"
          : "'\(prefix.prefix(80))' names \(found.count) patches",
        hint: "'hitless agent list' names them")
    }
    try writeProtection { before in
      var after = before
      after.breakers.clear(patch)
      return after
    }
    // The candidate may be in force with few batches at this moment.
    state.withLock { state in
      guard let transaction = state.transaction, transaction.state == .active,
        transaction.patch.identity == patch
      else { return }
      _ = transaction.generation.breaker.closeAfterTrial()
    }
    note(
      "released", 0, "patch \(patch.hex), by \(who.name)",
      who.json + [("patch", .string(patch.hex))])
    return patch.hex
  }

  /// As much of `reason` as is kept.
  static func short(_ reason: String) -> String {
    var text = reason
    while text.utf8.count > BreakerRecord.reasonLimit { text.removeLast() }
    return text
  }

  private static let freezePause: UInt64 = 1_000_000

  /// Takes the candidate out of force, whatever is being done with it, if it changes what is frozen.
  private func rollBackFrozen(_ module: String?, _ reason: String) -> UInt64? {
    while true {
      let step = state.wait(until: .after(.max)) { state -> UInt64?? in
        if state.isClosed { return .some(nil) }
        // The order holds already; what is under way ends by itself, and soon.
        guard state.operation == nil else { return nil }
        guard let transaction = state.transaction, transaction.state == .active,
          state.isFrozen(module)
        else { return .some(nil) }
        return .some(transaction.number)
      }
      guard let number = step ?? nil else { return nil }
      if (try? rollback(number, because: .frozen, detail: reason)) != nil { return number }
      // Somebody was faster, or there is no memory for a view: look again soon.
      _ = state.wait(until: .after(Self.freezePause)) { $0.isClosed ? true : nil }
    }
  }
}

extension Agent.State {
  /// Puts workers under guard on stable with their next batch, and lets no more records go to the candidate.
  ///
  /// Who is moving records, and holds the operation meanwhile, comes to an end.
  mutating func takeCandidateOut() {
    transaction?.isTakenOut = true
    transaction?.generation.breaker.open()
    migration?.migration.halt()
  }
}

extension Agent.State {
  /// Keeps patches out; with a module's name those that change it.
  fileprivate mutating func hold(
    _ module: String?, _ hold: BreakerRecord.Hold
  ) throws(Refusal) {
    guard let module else { return protection.frozen = hold }
    guard running?.modules.contains(where: { $0.facts.name == module }) == true else {
      throw Refusal(
        .usage, "no module in force is called '\(module.prefix(80))'",
        hint: "'hitless agent list' names them")
    }
    guard protection.held[module] != nil || protection.held.count < BreakerRecord.heldLimit else {
      throw Refusal(.limit, "at most \(BreakerRecord.heldLimit) modules are frozen one by one")
    }
    protection.held[module] = hold
  }

  /// Whether the transaction is one of those that an order about `module`, or about all, is about.
  fileprivate func isFrozen(_ module: String?) -> Bool {
    module.map { transaction?.changedModules.contains($0) == true } ?? true
  }
}

extension Protection {
  /// Adds orders that were kept, beside those given since: no more than a record may have, so that it can be read.
  mutating func hold(_ kept: [String: BreakerRecord.Hold]) {
    for (module, hold) in kept.sorted(by: { $0.key < $1.key }) where held[module] == nil {
      guard held.count < BreakerRecord.heldLimit else { return }
      held[module] = hold
    }
  }

  /// Whether there is anything to release.
  fileprivate var keepsOut: Bool { frozen != nil || stopped != nil || !held.isEmpty }
}

extension Agent {
  /// What keeps patches out, for `list`.
  func protectionListing() -> CBOR {
    let (protection, patch, now) = state.withLock { state in
      (state.protection, state.transaction?.patch.identity, MonotonicClock.now)
    }
    return .named([
      "frozen": protection.frozen?.cbor ?? .null, "stopped": protection.stopped?.cbor ?? .null,
      "held": .array(
        protection.held.sorted { $0.key < $1.key }.map { module, hold in
          var fields = hold.cbor.namedValue ?? [:]
          fields["module"] = .text(module)
          return .named(fields)
        }),
      "quarantined": .array(protection.breakers.quarantined.map { .bytes($0.bytes) }),
      "damaged": .array(protection.damaged.map { .text($0.facts.name) }),
      "breakers": .array(
        protection.breakers.all.map { key, breaker in
          let state = protection.breakerState(of: key.module, patch: key.patch, at: now)
          var left: UInt64 = 0
          if case .open(let until) = breaker.state, until > now { left = until - now }
          return .named([
            "patch": .bytes(key.patch.bytes), "module": .text(key.module),
            "state": .text(state.rawValue), "openings": .unsigned(breaker.openings),
            "left_ns": .unsigned(left), "current": .bool(key.patch == patch),
          ])
        }),
    ])
  }
}

extension BreakerRecord.Hold {
  fileprivate var cbor: CBOR {
    .named([
      "time": .unsigned(time), "user": user.map { .unsigned(UInt64($0)) } ?? .null,
      "reason": .text(reason),
    ])
  }
}
