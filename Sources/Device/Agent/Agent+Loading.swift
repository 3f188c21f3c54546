internal import Bytes
internal import Digests
internal import Journal
internal import Platform
internal import Refusal
internal import Staging
internal import Verification

extension Agent {
  /// Loads a module of a patch, and takes note of how that went.
  ///
  /// What fails is told to the module's breaker; when too much fails, no patch is taken any more.
  func counting(
    _ module: String, of patch: VerifiedPatch, _ load: () throws(Refusal) -> StagedModule
  ) throws(Refusal) -> StagedModule {
    do throws(Refusal) {
      let staged = try load()
      noteLoad(isFailure: false)
      let key = BreakerTable.Key(patch: patch.identity, module: module)
      state.withLock { $0.protection.breakers.load(key, at: MonotonicClock.now) }
      return staged
    } catch {
      let failure = LoadFailure(error.kind)
      guard failure != .none else { throw error }
      if let source = failure.source {
        let opened = noteFailure(
          source, of: module, patch.identity, [module], isOfLoading: true)
        reportOpening(of: opened, source, 0)
      }
      noteLoad(isFailure: true)
      throw error
    }
  }

  private func noteLoad(isFailure: Bool) {
    let reason = state.withLock { state -> String? in
      state.protection.loadCount &+= 1
      if isFailure { state.protection.loadFailureCount &+= 1 }
      let rules = state.protection.loadRules
      guard let reason = state.protection.loads.add(isFailure: isFailure, rules),
        state.protection.stopped == nil
      else { return nil }
      state.protection.stopped = BreakerRecord.Hold(
        time: WallClock.now, user: nil, reason: reason)
      return reason
    }
    guard let reason else { return }
    keepProtection()
    note("loads-stopped", 0, "\(reason): no patch is taken until an operator releases the agent")
  }
}

/// What a refusal while a module was being loaded says.
private enum LoadFailure {
  /// The patch was not for this host, or not whole: nothing was loaded.
  case none
  /// The host could not: no memory, no descriptor, no helper.
  case environment
  /// The module cannot.
  case module(BreakerSource)

  init(_ kind: RefusalClass) {
    switch kind {
    case .badELF: self = .module(.lint)
    case .integrity, .race: self = .module(.hash)
    case .health: self = .module(.load)
    case .noSpace, .io: self = .environment
    case .usage, .format, .limit, .unsupported, .signature, .untrustedKey, .rollback, .expired,
      .mixed, .notForTarget, .wrongBase, .path, .busy, .state, .frozen, .breakerOpen, .quarantined:
      self = .none
    }
  }

  var source: BreakerSource? {
    guard case .module(let source) = self else { return nil }
    return source
  }
}

extension LoadFailure: Equatable {}
