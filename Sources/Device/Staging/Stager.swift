internal import Bytes
internal import Digests
package import ElfImage
package import HotSwap
internal import PatchFormat
internal import Platform
package import Refusal
package import Verification

/// Turns verified bytes into modules that are mapped and tested, off the packet path.
///
/// Threading: any thread but a worker's; blocks for the decoder, the helper process and the loader.
package final class Stager: Sendable {
  /// Largest module file in bytes.
  package static let moduleLimit = 1 << 30

  private let policy: LoadabilityPolicy
  private let probe: ModuleProbe?
  private let services: HostServices
  /// The n-th distinct image; an image that comes again keeps its number.
  private let ordinals = Guarded<[SHA256Digest: UInt32]>([:])

  /// Creates a stager; without a probe everything is refused.
  package init(policy: LoadabilityPolicy, probe: ModuleProbe?, services: HostServices) {
    self.policy = policy
    self.probe = probe
    self.services = services
  }

  /// Stages the module file at `path`, as a host's own start does.
  package func stage(
    file path: String, for slot: SlotRequirement, control: ControlContext, in domain: SwapDomain
  ) throws(Refusal) -> StagedModule {
    let bytes = try RegularFile.read(path, limit: Self.moduleLimit)
    return try stage(bytes, for: slot, control: control, in: domain)
  }

  /// Stages the target of one component of a patch; `base` is the module that is mapped now.
  package func stage(
    component: Int, of patch: VerifiedPatch, base: StagedModule, for slot: SlotRequirement,
    control: ControlContext, in domain: SwapDomain
  ) throws(Refusal) -> StagedModule {
    let old = try base.bytes()
    let target = try AssistantThread.with("hitless-decode") { (thread) throws(Refusal) in
      try patch.target(of: component, base: old, assistant: thread.begin)
    }
    _ = try patch.checkImage(target, of: component, policy: policy)
    let sealed = try SealedModule(
      target, digest: patch.manifest.components[component].target.digest, for: slot, policy: policy)
    try sealed.checkStates(against: base.facts, by: patch.manifest.components[component])
    return try map(try probed(sealed), control: control, in: domain)
  }

  /// Stages verified bytes.
  ///
  /// The order is the point: seal, hash what was sealed, judge the ELF, probe in a process of its own,
  /// and only then let the loader of this process see it; then compare what is mapped with what was
  /// sealed. When anything is wrong, nothing of the module stays mapped.
  package func stage(
    _ bytes: [UInt8], for slot: SlotRequirement, control: ControlContext, in domain: SwapDomain
  ) throws(Refusal) -> StagedModule {
    let sealed = try SealedModule(bytes, digest: SHA256Digest(of: bytes), for: slot, policy: policy)
    return try map(try probed(sealed), control: control, in: domain)
  }

  /// Lets the helper map and test the module first.
  private func probed(_ sealed: consuming SealedModule) throws(Refusal) -> ProbedModule {
    guard let probe else {
      throw Refusal(
        .state, "the selftest helper was not found", at: "hitless-probe",
        hint: "install hitless-probe beside this program, or name it when opening the agent")
    }
    return try ProbedModule(sealed, by: probe)
  }

  private func map(
    _ probed: consuming ProbedModule, control: ControlContext, in domain: SwapDomain
  ) throws(Refusal) -> StagedModule {
    let sealed = probed.sealed
    let module = try MappedModule.map(
      descriptor: sealed.file.descriptor.number, expecting: sealed.expectation,
      ordinal: ordinal(of: sealed.image.digest))
    let golden: GoldenImage
    do throws(Refusal) {
      try module.compare(with: sealed.bytes)
      // Before any of its code runs.
      golden = try GoldenImage(of: module)
      try module.prefault()
      unsafe try module.attach(services: services, control: control.pointer)
    } catch {
      // A module that has not come back from its hook stays mapped, for ever: it may still run.
      try? domain.unload(module)
      throw error
    }
    return StagedModule(sealed, module: module, golden: golden)
  }

  private func ordinal(of digest: SHA256Digest) -> UInt32 {
    ordinals.withLock { known in
      if let ordinal = known[digest] { return ordinal }
      let next = UInt32(clamping: known.count)
      known[digest] = next
      return next
    }
  }
}

/// The pointer that a host wants its modules to get in `attach`.
///
/// Threading: passed through; what it points to is the host's and the module's business.
@safe
package struct ControlContext: @unchecked Sendable {
  package let pointer: UnsafeMutableRawPointer?

  /// No pointer.
  package static let none = unsafe ControlContext(nil)

  /// Wraps the host's pointer.
  package init(_ pointer: UnsafeMutableRawPointer?) {
    unsafe self.pointer = unsafe pointer
  }
}
