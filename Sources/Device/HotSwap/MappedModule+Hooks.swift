package import CHitless
internal import Platform
package import Refusal

extension MappedModule {
  /// How long a hook may take when nothing else is said.
  package static let defaultHookBudget: UInt64 = 1_000_000_000

  /// Calls the module's `attach`, which may prepare what the packet path will use.
  ///
  /// `control` is the slot's, as the host defined it. A module without the hook is attached all the
  /// same. A hook that is late is not stopped, but its module is never used and never unmapped.
  /// Blocks for at most `budget` nanoseconds.
  package func attach(
    services: HostServices, control: UnsafeMutableRawPointer? = nil,
    budget: UInt64 = defaultHookBudget
  ) throws(Refusal) {
    try phase.withLock { (phase) throws(Refusal) in
      guard case .mapped = phase else {
        throw Refusal(.state, "module '\(name)' was attached before")
      }
      phase = .attaching
    }
    guard let hook = unsafe hooks.attach else {
      return phase.withLock { $0 = .attached(privateData: 0, services: services) }
    }
    let call = unsafe AttachCall(hook, services, control)
    guard let status = callWithin(budget, { call.run() }) else { throw late("attach", budget) }
    guard status == 0 else {
      phase.withLock { $0 = .mapped }
      throw failed("attach", status)
    }
    let privateData = call.privateData.withLock { $0 }
    phase.withLock { $0 = .attached(privateData: privateData, services: services) }
  }

  /// Whether the module can move records between schemas.
  package var hasMigrate: Bool { unsafe hooks.migrate != nil }

  /// Whether the module can check itself.
  package var hasSelftest: Bool { unsafe hooks.selftest != nil }

  /// Lets the module check itself against known answers; a module without the hook passes.
  ///
  /// Runs on the calling thread, without a limit: meant for a process of its own (hitless-probe),
  /// whose parent ends it when it is late.
  package func selftest(
    services: HostServices, vectors: UnsafePointer<hitless_selftest_vectors>? = nil
  ) throws(Refusal) {
    guard let hook = unsafe hooks.selftest else { return }
    // SAFETY: the hook was shown to be code of this image; its arguments live for the call.
    let status = unsafe hook(services.pointer, vectors)
    guard status == 0 else { throw failed("selftest", status) }
  }

  /// Takes the module out of use, for `unmap`; returns where it stood.
  func withdraw() throws(Refusal) -> Phase {
    try phase.withLock { (phase) throws(Refusal) in
      switch phase {
      case .attaching:
        throw Refusal(.state, "module '\(name)' has not come back from its 'attach'")
      case .unmapped:
        throw Refusal(.state, "module '\(name)' was unmapped before")
      case .mapped, .attached:
        defer { phase = .unmapped }
        return phase
      }
    }
  }

  /// Detaches and unmaps the module; `evidence` says that no worker can reach it.
  ///
  /// A `detach` that is late is not stopped, and its module stays mapped, as on any failure: a leak, never a hazard.
  /// Blocks for at most `budget` nanoseconds.
  func unmap(
    _ evidence: consuming Unreachable, budget: UInt64 = defaultHookBudget
  ) throws(Refusal) {
    try endReading()
    if case .attached(let privateData, _) = evidence.before, let hook = unsafe hooks.detach {
      let call = unsafe DetachCall(hook, privateData)
      guard callWithin(budget, { call.run() }) != nil else { throw late("detach", budget) }
    }
    try image.unmap()
  }

  /// Whether a generation may be made of the module.
  var isUsable: Bool {
    phase.withLock { phase in
      switch phase {
      case .mapped, .attached: true
      case .attaching, .unmapped: false
      }
    }
  }

  private func late(_ hook: String, _ budget: UInt64) -> Refusal {
    Refusal(
      .health, "'\(hook)' of module '\(name)' has not returned in time",
      expected: "at most \(budget / 1_000_000) ms", at: "hitless_module.\(hook)")
  }

  private func failed(_ hook: String, _ status: Int32) -> Refusal {
    Refusal(
      .health, "'\(hook)' of module '\(name)' failed", expected: "0", found: "\(status)",
      at: "hitless_module.\(hook)")
  }
}

/// One call of `attach`, which may outlive the wait for it.
///
/// Threading: made by one thread, run by another; only `privateData` changes, behind its lock.
@safe
private final class AttachCall: @unchecked Sendable {
  let privateData = Guarded<UInt>(0)
  private let hook: ModuleHooks.Attach
  private let services: HostServices
  private let control: UnsafeMutableRawPointer?

  init(
    _ hook: @escaping ModuleHooks.Attach, _ services: HostServices,
    _ control: UnsafeMutableRawPointer?
  ) {
    unsafe self.hook = hook
    self.services = services
    unsafe self.control = control
  }

  func run() -> Int32 {
    var pointer: UnsafeMutableRawPointer?
    // SAFETY: the hook was shown to be code of an image that stays mapped while it runs.
    let status = unsafe hook(services.pointer, control, &pointer)
    privateData.withLock { $0 = UInt(bitPattern: pointer) }
    return status
  }
}

/// One call of `detach`, which may outlive the wait for it.
///
/// Threading: made by one thread, run by another, once; nothing of it changes.
@safe
private final class DetachCall: @unchecked Sendable {
  private let hook: ModuleHooks.Detach
  private let privateData: UInt

  init(_ hook: @escaping ModuleHooks.Detach, _ privateData: UInt) {
    unsafe self.hook = hook
    self.privateData = privateData
  }

  func run() -> Int32 {
    // SAFETY: this is the pointer that `attach` left, of an image that stays mapped while the hook runs; nobody else
    // uses the module any more.
    unsafe hook(UnsafeMutableRawPointer(bitPattern: privateData))
    return 0
  }
}
