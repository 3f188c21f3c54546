import Bytes
import Digests
import ElfImage
import Generator
import PatchFormat
import Refusal
import Signing
import Synchronization
import TestSupport
import Testing
import Verification

@Suite("Patch builder")
struct PatchBuilderTests {
  let directory: TemporaryDirectory
  let key: SigningKey
  let old: [UInt8]

  init() throws {
    directory = try TemporaryDirectory()
    key = try SigningKey.generate()
    old = try Self.build(TestModule(), in: directory)
  }

  @Test func `a patch verifies and yields its target`() throws {
    let new = try next()
    let built = try PatchBuilder.build(request(new))
    let patch = try verify(built)
    #expect(patch.identity == built.identity)
    #expect(patch.manifest == built.manifest)
    let target = try patch.target(of: 0, base: old)
    #expect(target == new)
    let image = try patch.checkImage(target, of: 0, policy: .standard)
    #expect(image.moduleFacts?.version == .init(1, 0, 1))
  }

  @Test func `the same request gives the same bytes`() throws {
    let request = request(try next())
    #expect(try PatchBuilder.build(request).bytes == PatchBuilder.build(request).bytes)
  }

  @Test func `progress rises from module to module and ends at one`() throws {
    let told = Mutex<[Double]>([])
    _ = try PatchBuilder.build(request(try next())) { module, fraction in
      #expect(module == "sample")
      told.withLock { $0.append(fraction) }
    }
    let steps = told.withLock { $0 }
    #expect(steps.last == 1)
    #expect(steps == steps.sorted())
  }

  /// docs/format.md, section 7: names and labels of 64 bytes in all, and every optional number.
  @Test func `with one module and one signature the envelope has at most 440 bytes`() throws {
    var module = TestModule()
    module.name = "classify-uplink"
    module.states = [(0x5145_5201, 64), (0x424b_5402, 16)]
    module.interface = (0x5550_4651, 3)
    let base = try Self.build(module, in: directory)
    module.version = (1, 0, 1)
    let target = try Self.build(module, in: directory)
    var request = request(target, from: base)
    request.product = "upf-edge-release"
    request.release = "2027.10-rc3+b4"
    request.resolves = ["CVE-2027-123456789"]
    let text = module.name + request.product + "2027.10-rc3+b4" + "CVE-2027-123456789"
    #expect(text.utf8.count >= 63 && text.utf8.count <= 64)
    request.sequence = 1_800_000_000
    request.notBefore = 1_800_000_000
    request.notAfter = 1_900_000_000
    let built = try PatchBuilder.build(request)
    #expect(built.envelopeSize <= 440)
    #expect(built.envelopeSize == built.bytes.count - Int(built.manifest.components[0].delta.size))
  }

  @Test func `release and sequence come from the version, or must be given`() throws {
    let built = try PatchBuilder.build(request(try next((2, 34, 567))))
    #expect(built.manifest.release == "2.34.567")
    #expect(built.manifest.sequence == 2_034_567)
    var wide = request(try next((1, 1000, 0)))
    #expect(refusal(of: wide)?.kind == .usage)
    wide.sequence = 3
    #expect(try PatchBuilder.build(wide).manifest.release == "1.1000.0")
  }

  @Test func `modules of different versions have no release in common`() throws {
    var far = TestModule()
    far.name = "far"
    let base = try Self.build(far, in: directory)
    far.version = (7, 0, 0)
    let target = try Self.build(far, in: directory)
    var both = request(try next())
    both.pairs.append(.init(base: base, target: target, names: ("a", "b")))
    #expect(refusal(of: both)?.kind == .usage)
    both.release = "2027.1"
    #expect(refusal(of: both)?.kind == .usage)
    both.sequence = 9
    let patch = try verify(try PatchBuilder.build(both))
    #expect(patch.manifest.components.map(\.module) == ["sample", "far"])
    #expect(try patch.target(of: 1, base: base) == target)
  }

  @Test func `what may not be loaded does not become a patch`() throws {
    var bad = TestModule()
    bad.extra = "int writable = 1;"
    let error = try #require(refusal(of: request(try Self.build(bad, in: directory))))
    #expect(error.kind == .badELF)
    #expect(!error.violations.isEmpty)
    // Neither as the base.
    let reversed = request(old, from: try Self.build(bad, in: directory))
    #expect(refusal(of: reversed)?.kind == .badELF)
  }

  @Test func `imports that the host offers can be allowed`() throws {
    var host = TestModule()
    host.extra = "int host_lookup(int); HITLESS_PATCHABLE int use(int x) { return host_lookup(x); }"
    host.extra += "\n__attribute__((used)) static int (*const keep)(int) = use;"
    var request = request(try Self.build(host, in: directory))
    #expect(refusal(of: request)?.kind == .badELF)
    request.policy = request.policy.allowing(imports: ["host_lookup"])
    let patch = try verify(try PatchBuilder.build(request))
    let target = try patch.target(of: 0, base: old)
    #expect(throws: Refusal.self) { try patch.checkImage(target, of: 0, policy: .standard) }
    _ = try patch.checkImage(target, of: 0, policy: request.policy)
  }

  @Test func `nothing that no reader would take is written`() throws {
    var request = request(try next())
    request.product = "UPF"
    #expect(refusal(of: request)?.kind == .path)
    request.product = "upf"
    request.resolves = ["a", "a"]
    #expect(refusal(of: request)?.kind == .format)
    request.resolves = []
    request.keys = []
    #expect(refusal(of: request)?.kind == .limit)
    request.keys = [key]
    request.pairs = []
    #expect(refusal(of: request) != nil)
  }

  // MARK: - Support

  private func next(_ version: (UInt32, UInt32, UInt32) = (1, 0, 1)) throws -> [UInt8] {
    var module = TestModule()
    module.version = version
    module.markedConstant = 2
    return try Self.build(module, in: directory)
  }

  private func request(_ target: [UInt8], from base: [UInt8]? = nil) -> PatchRequest {
    PatchRequest(
      pairs: [.init(base: base ?? old, target: target, names: ("old.so", "new.so"))], keys: [key])
  }

  private func refusal(of request: PatchRequest) -> Refusal? {
    do throws(Refusal) {
      _ = try PatchBuilder.build(request)
      return nil
    } catch {
      return error
    }
  }

  private func verify(_ built: BuiltPatch) throws -> VerifiedPatch {
    try Verifier.verify(
      try UnverifiedPatch(parsing: built.bytes), trust: try TrustedKeys(keys: [key.publicKey]),
      facts: VerificationFacts())
  }

  static func build(_ module: TestModule, in directory: TemporaryDirectory) throws -> [UInt8] {
    try module.build("module.so", in: directory)
    return try directory.bytes("module.so")
  }
}
