import Agent
import Generator
import Glibc
import PatchFormat
import Refusal
import Signing
import TestSupport
import Testing

/// Every refusal leaves modules, confirmed set, objects and trusted state as they were, one audit line,
/// and one more on the counter.
@Suite("What the agent refuses")
struct RefusalTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func `a patch of a strange key`() throws {
    let stranger = try SigningKey.generate()
    try refuse(.untrustedKey, patch: try site.patch { $0.keys = [stranger] })
  }

  @Test func `every patch, when a trusted key is missing`() throws {
    site.options.trustKeys = [site.directory.path("nobody.pub")]
    try refuse(.untrustedKey, patch: try site.patch())
  }

  @Test func `every patch, when no key is trusted`() throws {
    site.options.trustKeys = []
    try refuse(.untrustedKey, patch: try site.patch())
  }

  @Test func `one signature where two are needed`() throws {
    let second = try SigningKey.generate()
    site.options.trustKeys.append(
      try site.directory.write("second.pub", try second.publicKey.pem))
    site.options.trustThreshold = 2
    try refuse(.untrustedKey, patch: try site.patch())
    let agent = try site.start()
    _ = try agent.install(patch: try site.patch { $0.keys.append(second) })
    try agent.close()
  }

  @Test func `a flipped bit, anywhere`() throws {
    let patch = try site.patch()
    let agent = try site.start()
    for offset in stride(from: 0, to: patch.count, by: 7) {
      var bytes = patch
      bytes[offset] ^= 0x10
      let error = #expect(throws: Refusal.self) { try agent.install(patch: bytes) }
      #expect(error != nil, "byte \(offset)")
    }
    _ = try agent.install(patch: patch)
    try agent.close()
  }

  @Test func `a truncated patch, and one with more behind it`() throws {
    let patch = try site.patch()
    for count in [0, 1, 15, 16, 17, patch.count / 2, patch.count - 1] {
      try refuse(.format, patch: Array(patch.prefix(count)))
    }
    try refuse(.format, patch: patch + [0])
  }

  @Test func `a patch for another base`() throws {
    let pair = PatchRequest.Pair(
      base: try Modules.image("alpha", 0) { $0.unmarkedConstant = 99 },
      target: try Modules.cached("alpha", 1), names: ("base", "target"))
    try refuse(.wrongBase, patch: try site.patch([pair], sequence: 2))
  }

  @Test func `a patch for another product`() throws {
    try refuse(.notForTarget, patch: try site.patch { $0.product = "smf" })
  }

  @Test func `a patch that is no longer valid, or not yet`() throws {
    try refuse(.expired, patch: try site.patch { $0.notAfter = 1_700_000_000 })
    try refuse(.expired, patch: try site.patch { $0.notBefore = 4_000_000_000 })
  }

  @Test func `a patch below the floor of the embedder`() throws {
    site.options.sequenceFloor = 100
    try refuse(.rollback, patch: try site.patch())
  }

  @Test func `the patch of yesterday, once a newer one was confirmed`() throws {
    do {
      let agent = try site.start()
      let number = try agent.install(patch: try site.patch(sequence: 5))
      _ = try agent.activate(number)
      try agent.confirm(number)
      try agent.close()
    }
    // The base fits, the number does not.
    try refuse(.rollback, patch: try site.patch(from: 1, to: 2, sequence: 4))
    try refuse(.mixed, patch: try site.patch(from: 1, to: 2, sequence: 5))
  }

  @Test func `a module that no slot is filled by`() throws {
    site.modules = ["beta"]
    try refuse(.notForTarget, patch: try site.patch())
  }

  @Test func `a module that needs another interface than the slot has`() throws {
    let pair = PatchRequest.Pair(
      base: try Modules.cached("alpha", 0), target: try Modules.cached("alpha", 1),
      names: ("base", "target"))
    let bytes = try site.patch([pair], sequence: 2)
    // The slot of this host is of another version; so is its module.
    let module = try Modules.image("alpha", 0) { $0.interface.version = 2 }
    try site.directory.write("alpha.so", module)
    let error = #expect(throws: Refusal.self) { try site.start() }
    #expect(error?.kind == .notForTarget)
    try site.directory.write("alpha.so", try Modules.cached("alpha", 0))
    let agent = try site.start()
    _ = try agent.install(patch: bytes)
    try agent.close()
  }

  @Test func `a second transaction while one is staged or active`() throws {
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    let before = site.durableState()
    expectRefusal(.busy) { _ = try agent.install(patch: try site.patch(["beta"])) }
    _ = try agent.activate(number)
    expectRefusal(.busy) { _ = try agent.install(patch: try site.patch(["beta"])) }
    #expect(site.durableState() == before)
    #expect(agent.status().transactionState == .active)
    try agent.close()
  }

  @Test func `a candidate whose own test fails, crashes or hangs`() throws {
    for (body, kind) in [
      ("return 7;", RefusalClass.health), ("__builtin_trap();", .health),
    ] {
      try refuse(kind, patch: try candidate { $0.selftest = body })
    }
  }

  @Test func `a candidate that cannot attach is not left mapped`() throws {
    try refuse(.health, patch: try candidate { $0.attach = "return 1;" })
    #expect(site.mappedImages("alpha") <= 1)
  }

  @Test func `a candidate that reads records in another layout`() throws {
    // The builder calls this a migration; a host that runs cannot take it in.
    try refuse(.unsupported, patch: try candidate { $0.states = [(0x52, 128)] })
  }

  /// A candidate is built around the checks of the patch builder, as a careless vendor might.
  private func candidate(_ change: (inout TestModule) -> Void) throws -> [UInt8] {
    let pair = PatchRequest.Pair(
      base: try Modules.cached("alpha", 0), target: try Modules.image("alpha", 1, change),
      names: ("base", "target"))
    return try site.patch([pair], sequence: 2)
  }

  /// Installs `patch` into a host with a worker and looks at everything a refusal may not change.
  private func refuse(
    _ kind: RefusalClass, patch: [UInt8], _ location: SourceLocation = #_sourceLocation
  ) throws {
    let agent = try site.start()
    let worker = site.modules.count == 2 ? try TestWorker(agent) : nil
    let results = worker?.results
    let before = (site.durableState(), agent.status(), try site.auditKinds())
    let mapped = site.mappedImages("alpha")
    let error = #expect(throws: Refusal.self, sourceLocation: location) {
      try agent.install(patch: patch)
    }
    #expect(error?.kind == kind, "\(String(describing: error))", sourceLocation: location)
    let after = (site.durableState(), agent.status(), try site.auditKinds())
    // The clock ratchet alone may have moved.
    var (old, new) = (before.0, after.0)
    (old["trust"], new["trust"]) = (nil, nil)
    #expect(new == old, sourceLocation: location)
    #expect(after.1.counters.refusals == before.1.counters.refusals + 1, sourceLocation: location)
    #expect(after.1.stableGeneration == before.1.stableGeneration, sourceLocation: location)
    #expect(after.1.transactionState == .none, sourceLocation: location)
    #expect(after.2 == before.2 + ["refused"], sourceLocation: location)
    #expect(site.mappedImages("alpha") == mapped, sourceLocation: location)
    #expect(worker?.results == results, sourceLocation: location)
    worker?.stop()
    try agent.close()
  }
}
