import ElfImage
import Glibc
import HotSwap
import PatchFormat
import Platform
import Refusal
import Staging
import Synchronization
import TestSupport
import Testing

@Suite("Staging a module")
struct StagerTests {
  let slot: SlotRequirement
  let domain = SwapDomain(slotCount: 1)
  /// Slots have names of their own in every test, because `/proc/self/maps` is the whole process's.
  private static let count = Atomic<Int>(0)

  init() {
    let number = Self.count.add(1, ordering: .relaxed).newValue
    slot = SlotRequirement(
      name: "staged-\(number)", interfaceID: 7, interfaceVersion: 1, tableSize: 16)
  }

  @Test func `a sound module ends up mapped, known, and ready for a generation`() throws {
    let bytes = try image()
    let staged = try stager().stage(bytes, for: slot, control: .none, in: domain)
    #expect(staged.facts.name == "sample")
    #expect(staged.image.size == UInt64(bytes.count))
    #expect(try staged.bytes() == bytes)
    #expect(isMapped)
    _ = try domain.makeGeneration([staged.module])
  }

  @Test func `the same image keeps its ordinal, another one gets the next`() throws {
    let stager = try stager()
    let first = try image()
    let second = try image { $0.markedConstant = 2 }
    let ordinals = try [first, second, first].map {
      try stager.stage($0, for: slot, control: .none, in: domain).module.ordinal
    }
    #expect(ordinals == [0, 1, 0])
  }

  @Test func `a file that changes after it was read does not matter`() throws {
    let temporary = try TemporaryDirectory()
    let bytes = try image()
    let path = try temporary.write("module.so", bytes)
    let staged = try stager().stage(file: path, for: slot, control: .none, in: domain)
    try temporary.write("module.so", [1, 2, 3])
    #expect(try staged.bytes() == bytes)
    try staged.module.compare(with: bytes)
  }

  /// `dlopen` of such a file ends the process with SIGBUS, so it may not get that far.
  @Test func `a truncated module is refused at every length`() throws {
    let bytes = try image()
    let stager = try stager()
    for count in stride(from: 0, to: bytes.count, by: 61) {
      refuse(.badELF) {
        try stager.stage(Array(bytes.prefix(count)), for: slot, control: .none, in: domain)
      }
    }
  }

  @Test(arguments: TestModule.offenders.map(\.code))
  func `a module that may not be loaded is refused with its violation`(code: String) throws {
    let bytes = try image { $0.offend(with: code) }
    let error = refuse(.badELF) {
      try stager().stage(bytes, for: slot, control: .none, in: domain)
    }
    #expect(error?.violations.isEmpty == false)
  }

  @Test func `a module for another slot is refused`() throws {
    for change: (inout TestModule) -> Void in [
      { $0.interface.id = 8 }, { $0.interface.version = 2 },
    ] {
      let bytes = try image(change)
      refuse(.notForTarget) {
        try stager().stage(bytes, for: slot, control: .none, in: domain)
      }
    }
    let wide = SlotRequirement(
      name: slot.name, interfaceID: 7, interfaceVersion: 1, tableSize: 17)
    let bytes = try image()
    refuse(.notForTarget) { try stager().stage(bytes, for: wide, control: .none, in: domain) }
  }

  @Test(arguments: [("return 3;", "code"), ("__builtin_trap();", "signal")])
  func `a module that fails its own test is refused without having run here`(
    body: String, mark: String
  ) throws {
    let bytes = try image { $0.selftest = body }
    refuse(.health) { try stager().stage(bytes, for: slot, control: .none, in: domain) }
  }

  @Test func `a module whose test hangs is ended in time`() throws {
    let bytes = try image { $0.selftest = "for (;;) { services->clock(services->context); }" }
    let probe = ModuleProbe(
      path: try BuiltProduct.path("hitless-probe"), timeout: 1_000_000_000)
    let start = MonotonicClock.now
    refuse(.health) {
      try stager(probe).stage(bytes, for: slot, control: .none, in: domain)
    }
    #expect(MonotonicClock.now - start < 60_000_000_000)
  }

  @Test func `without the helper nothing is mapped`() throws {
    let bytes = try image()
    for probe in [nil, ModuleProbe(path: "/nonexistent/hitless-probe")] {
      refuse(.state) {
        try stager(probe).stage(bytes, for: slot, control: .none, in: domain)
      }
    }
  }

  @Test func `a helper that says nothing sensible is no proof`() throws {
    let bytes = try image()
    refuse(.health) {
      try stager(ModuleProbe(path: "/bin/false")).stage(
        bytes, for: slot, control: .none, in: domain)
    }
  }

  @Test func `a module that cannot attach is unmapped again`() throws {
    let bytes = try image { $0.attach = "return -5;" }
    refuse(.health) { try stager().stage(bytes, for: slot, control: .none, in: domain) }
  }

  @Test func `attach gets the slot's control context`() throws {
    let bytes = try image { $0.attach = "*(int *)control = 42; return 0;" }
    let cell = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    unsafe cell.initialize(to: 0)
    defer { unsafe cell.deallocate() }
    let control = unsafe ControlContext(UnsafeMutableRawPointer(cell))
    _ = try stager().stage(bytes, for: slot, control: control, in: domain)
    #expect(unsafe cell.pointee == 42)
  }

  @Test func `no child is left behind`() throws {
    let bytes = try image()
    _ = try stager().stage(bytes, for: slot, control: .none, in: domain)
    let children = try run("/usr/bin/ps", ["--ppid", "\(getpid())", "-o", "comm="])
    #expect(!children.output.contains("hitless-probe <defunct>"))
  }

  private func image(_ change: (inout TestModule) -> Void = { _ in }) throws -> [UInt8] {
    var module = TestModule()
    change(&module)
    let directory = try TemporaryDirectory()
    try module.build("module.so", in: directory)
    return try directory.bytes("module.so")
  }

  private func stager() throws -> Stager {
    stager(ModuleProbe(path: try BuiltProduct.path("hitless-probe")))
  }

  private func stager(_ probe: ModuleProbe?) -> Stager {
    Stager(policy: .standard, probe: probe, services: HostServices())
  }

  private var isMapped: Bool {
    String(decoding: contents(of: "/proc/self/maps") ?? [], as: UTF8.self)
      .contains("memfd:hitless:\(slot.name):")
  }

  @discardableResult
  private func refuse(
    _ kind: RefusalClass, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> StagedModule
  ) -> Refusal? {
    let error = #expect(throws: Refusal.self, sourceLocation: sourceLocation) { _ = try body() }
    #expect(error?.kind == kind, "\(String(describing: error))", sourceLocation: sourceLocation)
    #expect(!isMapped, sourceLocation: sourceLocation)
    return error
  }
}
