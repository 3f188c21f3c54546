internal import Digests
internal import Journal
internal import Platform

/// The breakers of the modules of every patch that has failed.
///
/// A value without a clock, like the breakers in it.
struct BreakerTable: Equatable, Sendable {
  /// One module of one patch.
  struct Key: Hashable, Sendable {
    let patch: SHA256Digest
    let module: String
  }

  /// Oldest first: of too many, those that have waited longest are forgotten, quarantined ones last.
  private var order: [Key] = []
  private var breakers: [Key: Breaker] = [:]

  /// The breaker of a module of a patch.
  subscript(key: Key) -> Breaker { breakers[key] ?? Breaker() }

  /// All there are, oldest first.
  var all: [(key: Key, breaker: Breaker)] {
    order.compactMap { key in breakers[key].map { (key, $0) } }
  }

  /// The patches that are refused until an operator says otherwise.
  var quarantined: [SHA256Digest] {
    var found: [SHA256Digest] = []
    for (key, breaker) in all where breaker.isQuarantined && !found.contains(key.patch) {
      found.append(key.patch)
    }
    return found
  }

  func isQuarantined(_ patch: SHA256Digest) -> Bool {
    breakers.contains { $0.key.patch == patch && $0.value.isQuarantined }
  }

  /// Takes note of a failure; returns whether a breaker has opened by it.
  mutating func fail(_ key: Key, _ event: BreakerEvent, _ rules: BreakerRules) -> Bool {
    change(key) { $0.fail(event, rules) }
  }

  /// What holds for all of `modules` of a patch together, and the module that says so.
  func admission(
    of patch: SHA256Digest, _ modules: [String], at now: UInt64,
    _ rules: (_ module: String) -> BreakerRules
  ) -> (admission: Breaker.Admission, module: String) {
    var result: (admission: Breaker.Admission, module: String) = (.admitted, modules.first ?? "")
    if isQuarantined(patch) { return (.quarantined, result.module) }
    for module in modules {
      let found = self[Key(patch: patch, module: module)].admission(at: now, rules(module))
      switch (result.admission, found) {
      case (_, .quarantined): return (.quarantined, module)
      case (.refused(let left), .refused(let other)) where other > left: result = (found, module)
      case (.refused, _), (_, .admitted): continue
      case (_, .refused), (_, .probing): result = (found, module)
      }
    }
    return result
  }

  /// The module was loaded after all.
  mutating func load(_ key: Key, at now: UInt64) {
    if breakers[key] != nil { change(key) { $0.load(at: now) } }
  }

  /// The candidate of `patch` is in force with a few batches.
  mutating func probe(_ patch: SHA256Digest) {
    for key in order where key.patch == patch && self[key].state != .closed {
      change(key) { $0.probe() }
    }
  }

  /// The candidate of `patch` went out of force before enough was known of it.
  mutating func abandonProbe(_ patch: SHA256Digest, at now: UInt64) {
    for key in order where key.patch == patch { change(key) { $0.abandonProbe(at: now) } }
  }

  /// Enough batches of the candidate of `patch` went well; returns whether that has closed a breaker.
  mutating func close(_ patch: SHA256Digest) -> Bool {
    var hasClosed = false
    for key in order where key.patch == patch && self[key].state == .halfOpen {
      change(key) { $0.close() }
      hasClosed = true
    }
    return hasClosed
  }

  /// Forgets what there was against `patch`.
  mutating func clear(_ patch: SHA256Digest) {
    order.removeAll { $0.patch == patch }
    for key in breakers.keys where key.patch == patch { breakers[key] = nil }
  }

  private mutating func change<Result>(_ key: Key, _ body: (inout Breaker) -> Result) -> Result {
    var breaker = self[key]
    defer {
      if breakers.updateValue(breaker, forKey: key) == nil { order.append(key) }
      while order.count > BreakerRecord.entryLimit { forgetOne() }
    }
    return body(&breaker)
  }

  private mutating func forgetOne() {
    let index = order.firstIndex { !self[$0].isQuarantined } ?? order.startIndex
    breakers[order.remove(at: index)] = nil
  }
}

extension BreakerTable {
  /// What has opened, as a later life of the host needs it.
  func entries(at now: UInt64) -> [BreakerRecord.Entry] {
    all.filter { $0.breaker.openings > 0 }.map { key, breaker in
      var left: UInt64 = 0
      if case .open(let until) = breaker.state, until > now { left = until - now }
      return BreakerRecord.Entry(
        patch: key.patch, module: key.module, openings: breaker.openings,
        isQuarantined: breaker.isQuarantined, left: left)
    }
  }

  /// What an earlier life of the host has left, `elapsed` nanoseconds ago.
  init(_ entries: [BreakerRecord.Entry], elapsed: UInt64, at now: UInt64) {
    add(entries, elapsed: elapsed, at: now)
  }

  /// Takes in entries that were written down `elapsed` nanoseconds ago, unless worse is known.
  mutating func add(_ entries: [BreakerRecord.Entry], elapsed: UInt64, at now: UInt64) {
    for entry in entries {
      let left = entry.left > elapsed ? entry.left - elapsed : 0
      let (until, overflow) = now.addingReportingOverflow(left)
      let key = Key(patch: entry.patch, module: entry.module)
      if let known = breakers[key], known.isQuarantined || known.openings > entry.openings {
        continue
      }
      let old = breakers.updateValue(
        Breaker(
          openings: entry.openings, isQuarantined: entry.isQuarantined,
          openUntil: overflow ? .max : until), forKey: key)
      if old == nil { order.append(key) }
    }
  }
}
