import Agent
import AttackCorpus
import ElfImage
import Generator
import Glibc
import PatchFormat
import Platform
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

  @Test func `a flood of refusals writes few lines, and every one that was left out is counted`()
    throws
  {
    let agent = try site.start()
    let count: UInt64 = 200
    for _ in 0..<count { expectRefusal(.format) { _ = try agent.install(patch: [1]) } }
    #expect(agent.status().counters.refusals == count)
    try agent.close()
    _ = try site.auditKinds()
    let text = String(decoding: contents(of: "\(site.state)/audit.jsonl") ?? [], as: UTF8.self)
    let lines = text.split(separator: "\n").filter { $0.contains("\"event\":\"refused\"") }
    // The first 20, one for each second that this took, and the one at the end.
    #expect(lines.count >= 21 && lines.count < 150)
    let left = lines.compactMap { line in
      line.split(separator: "\"suppressed\":").dropFirst().first.flatMap {
        UInt64($0.prefix { $0.isNumber })
      }
    }
    #expect(left.count == lines.count)
    let written = lines.count { $0.contains("\"operation\"") }
    #expect(left.reduce(0, +) + UInt64(written) == count)
  }

  @Test func `a patch of a strange key`() throws {
    let stranger = try SigningKey.generate()
    try refuse(.untrustedKey, patch: try site.patch { $0.keys = [stranger] })
  }

  @Test func `every patch, when a trusted key is missing`() throws {
    site.options.trustKeys = [site.directory.path("nobody.pub")]
    try refuse(.untrustedKey, patch: try site.patch())
  }

  /// A host that came up before its key was in place used to have to be restarted.
  @Test func `no more, once the missing key is in place`() throws {
    let key = try site.directory.bytes("vendor.pub")
    removeTree(site.directory.path("vendor.pub"))
    let agent = try site.start()
    expectRefusal(.untrustedKey) { _ = try agent.install(patch: try site.patch()) }
    #expect(throws: Refusal.self) { try agent.checkTrust() }
    try site.directory.write("vendor.pub", key)
    _ = try agent.install(patch: try site.patch())
    // What was read once is not asked for again.
    removeTree(site.directory.path("vendor.pub"))
    try agent.checkTrust()
    try agent.close()
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

  /// Genuine, and for another processor or another ABI: before anything is rebuilt where the manifest
  /// says so, before anything is mapped where only the module does.
  @Test func `a patch for another machine`() throws {
    for attack in try forge().machineCases() { try refuse(attack) }
  }

  @Test func `a patch whose module has another interface or version than the slot`() throws {
    let cases = try forge().interfaceCases(
      id: try otherBuild { $0.interface.id += 0x100 },
      version: try otherBuild { $0.interface.version += 1 })
    for attack in cases { try refuse(attack) }
  }

  /// The host has a slot of that interface, but it is not the one that the module of this name fills.
  @Test func `a patch whose module has the interface of another slot`() throws {
    let interface = try #require(Modules.interfaces["beta"])
    let other = try otherBuild { $0.interface.id = interface }
    let file = try forge().patch(to: other, interface: [UInt64(interface), 1])
    try refuse(.notForTarget, patch: file)
  }

  @Test func `a patch whose target may not be loaded, or is no module`() throws {
    let offenders = try TestModule.offenders.map { offender in
      (offender.name, try otherBuild { $0.offend(with: offender.code) })
    }
    for attack in try forge().moduleCases(offenders: offenders) { try refuse(attack) }
  }

  @Test func `a first module for another interface than the slot has stops the start`() throws {
    let module = try Modules.image("alpha", 0) { $0.interface.version = 2 }
    try site.directory.write("alpha.so", module)
    expectRefusal(.notForTarget) { _ = try site.start() }
    try site.directory.write("alpha.so", try Modules.cached("alpha", 0))
    try site.start().close()
  }

  @Test func `a second transaction while one is staged or active`() throws {
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    var before = site.durableState()
    expectRefusal(.busy) { _ = try agent.install(patch: try site.patch(["beta"])) }
    #expect(site.durableState() == before)
    _ = try agent.activate(number)
    before = site.durableState()
    expectRefusal(.busy) { _ = try agent.install(patch: try site.patch(["beta"])) }
    #expect(site.durableState() == before)
    #expect(agent.status().transactionState == .active)
    try agent.close()
  }

  @Test func `a candidate whose own test fails or crashes`() throws {
    for (body, kind) in [
      ("return 7;", RefusalClass.health), ("__builtin_trap();", .health),
    ] {
      try refuse(kind, patch: try candidate { $0.selftest = body })
    }
  }

  @Test
  func `a candidate whose own test never ends is given up within its time, and its helper is gone`()
    throws
  {
    let limit: UInt64 = 5_000_000_000
    // A name of its own, to be looked for among all processes.
    let probe = site.directory.path("probe-of-this-test")
    unsafe symlink(try #require(site.options.probe), probe)
    site.options.probe = probe
    site.options.probeTimeout = limit
    let endless = try candidate { $0.selftest = "for (;;) __asm__ volatile(\"\");" }
    let isOver = Monitor(false)
    let seen = Monitor(0)
    let watch = try SystemThread.start("watch") {
      while !isOver.withLock({ $0 }) {
        let count = Self.processes(running: probe)
        seen.withLock { $0 = max($0, count) }
        usleep(20_000)
      }
    }
    let (refusal, nanoseconds) = try refuse(.health, patch: endless)
    isOver.withLock { $0 = true }
    watch.join()
    #expect(refusal?.expected == "at most 5000 ms")
    #expect(nanoseconds >= limit && nanoseconds < limit + 15_000_000_000)
    // It was there, and is not any more.
    #expect(seen.withLock { $0 } == 1)
    #expect(Self.processes(running: probe) == 0)
  }

  /// How many processes were started as `program`.
  private static func processes(running program: String) -> Int {
    names(in: "/proc").count { name in
      guard Int(name) != nil, let words = contents(of: "/proc/\(name)/cmdline") else {
        return false
      }
      return words.prefix { $0 != 0 }.elementsEqual(program.utf8)
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

  /// A forge for patches from alpha 1.0.0 to alpha 1.0.1 of the vendor.
  private func forge() throws -> Forge {
    let (base, target) = (try Modules.cached("alpha", 0), try Modules.cached("alpha", 1))
    let built = try PatchBuilder.build(
      PatchRequest(
        pairs: [.init(base: base, target: target, names: ("base", "target"))], keys: [site.key]))
    return Forge(
      component: built.manifest.components[0], base: base, target: target, key: site.key)
  }

  /// alpha 1.0.1 with one thing changed.
  private func otherBuild(_ change: (inout TestModule) -> Void) throws -> ForgedTarget {
    let bytes = try Modules.image("alpha", 1, change)
    return ForgedTarget(bytes, buildID: try #require(try ElfImage(parsing: bytes).buildID))
  }

  private func refuse(
    _ attack: AttackCase, _ location: SourceLocation = #_sourceLocation
  ) throws {
    let kind = try #require(attack.expected, "\(attack)", sourceLocation: location)
    try refuse(kind, patch: attack.file, "\(attack)", location)
  }

  /// Installs `patch` into a host with a worker and looks at everything a refusal may not change.
  ///
  /// Returns the refusal, and how long it took in nanoseconds.
  @discardableResult
  private func refuse(
    _ kind: RefusalClass, patch: [UInt8], _ what: Comment? = nil,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> (Refusal?, UInt64) {
    let agent = try site.start()
    let worker = site.modules.count == 2 ? try TestWorker(agent) : nil
    let results = worker?.results
    let before = (site.durableState(), agent.status(), try site.auditKinds())
    let mapped = site.mappedImages("alpha")
    let begin = MonotonicClock.now
    let error = #expect(throws: Refusal.self, what, sourceLocation: location) {
      try agent.install(patch: patch)
    }
    let nanoseconds = MonotonicClock.now - begin
    #expect(
      error?.kind == kind, "\(what ?? ""): \(String(describing: error))", sourceLocation: location)
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
    return (error, nanoseconds)
  }
}
