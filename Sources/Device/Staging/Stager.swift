internal import Bytes
internal import Digests
package import ElfImage
internal import Glibc
package import HotSwap
internal import PatchFormat
internal import Platform
package import Refusal
internal import Synchronization
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
  private let ordinals = Mutex<[SHA256Digest: UInt32]>([:])

  /// Creates a stager; without a probe everything is refused.
  package init(policy: LoadabilityPolicy, probe: ModuleProbe?, services: HostServices) {
    self.policy = policy
    self.probe = probe
    self.services = services
  }

  /// Stages the module file at `path`, as a host's own start does.
  package func stage(
    file path: String, for slot: SlotRequirement, control: ControlContext
  ) throws(Refusal) -> StagedModule {
    try stage(
      try RegularFile.read(path, limit: Self.moduleLimit), for: slot, control: control)
  }

  /// Stages the target of one component of a patch; `base` is the module that is mapped now.
  package func stage(
    component: Int, of patch: VerifiedPatch, base: StagedModule, for slot: SlotRequirement,
    control: ControlContext
  ) throws(Refusal) -> StagedModule {
    let target = try patch.target(of: component, base: try base.bytes())
    _ = try patch.checkImage(target, of: component, policy: policy)
    return try stage(target, for: slot, control: control)
  }

  /// Stages verified bytes.
  ///
  /// The order is the point: seal, hash what was sealed, judge the ELF, probe in a process of its own,
  /// and only then let the loader of this process see it; then compare what is mapped with what was
  /// sealed.
  package func stage(
    _ bytes: [UInt8], for slot: SlotRequirement, control: ControlContext
  ) throws(Refusal) -> StagedModule {
    let digest = SHA256Digest(of: bytes)
    let file = try seal(bytes, digest: digest, slot: slot.name)
    let image = try LoadabilityLint.check(
      bytes, policy: policy, name: "the module for slot '\(slot.name)'")
    guard let facts = image.moduleFacts, let factsBytes = image.moduleFactsBytes,
      let buildID = image.buildID
    else {
      throw Refusal(.badELF, "the module for slot '\(slot.name)' has no note or no build-id")
    }
    try slot.check(facts)
    let expectation = ModuleExpectation(buildID: buildID, facts: factsBytes)
    guard let probe else {
      throw Refusal(
        .state, "the selftest helper was not found", at: "hitless-probe",
        hint: "install hitless-probe beside this program, or name it when opening the agent")
    }
    try probe.run(file.descriptor, expecting: expectation, name: facts.name)
    let module = try MappedModule.map(
      descriptor: file.descriptor.number, expecting: expectation, ordinal: ordinal(of: digest))
    try module.compare(with: bytes)
    try module.prefault()
    unsafe try module.attach(services: services, control: control.pointer)
    return StagedModule(
      slot: slot.name, facts: facts,
      image: Component.Image(digest: digest, size: UInt64(bytes.count), buildID: buildID),
      module: module, file: file)
  }

  private func seal(
    _ bytes: [UInt8], digest: SHA256Digest, slot: String
  ) throws(Refusal) -> SealedMemoryFile {
    do throws(SystemError) {
      let file = try SealedMemoryFile.seal(bytes, name: "hitless:\(slot)")
      let found = SHA256Digest(of: try file.contents())
      if found == digest { return file }
      throw SystemError("seal", ESTALE, slot)
    } catch {
      guard error.code == ESTALE else { throw error.refusal }
      throw Refusal(
        .race, "the sealed bytes are not the ones that were verified", expected: digest.hex,
        at: slot)
    }
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
