import CHitless
import Foundation
import HotSwap
import Refusal
import Platform
import Testing

@Suite("Mapped modules")
struct MappedModuleTests {
  @Test func `a module is mapped from its sealed file and is what was verified`() throws {
    let fixture = try ModuleFixture(["ANSWER=41"])
    let module = try fixture.map(ordinal: 5)
    #expect(module.name == "answer")
    #expect(module.version == "1.2.41")
    #expect(module.buildID == fixture.expectation.buildID)
    #expect(unsafe module.info.pointee.ordinal == 5)
    #expect(unsafe module.info.pointee.facts.version_patch == 41)
    #expect(answer(of: module) == 41)
    try module.compare(with: fixture.bytes)
    try module.prefault()
  }

  /// The loader matches by name: without a name of its own, the second build would be the first again.
  @Test func `two builds are mapped side by side although their file descriptors were closed`()
    throws
  {
    let modules = try (1...3).map { try ModuleFixture(["ANSWER=\($0)"]).map() }
    #expect(modules.map { answer(of: $0) } == [1, 2, 3])
  }

  /// Asked for a file that it has, the loader keeps the new name as an alias of the old image: the next
  /// module with that descriptor number would have been the old one.
  @Test func `the same sealed file is not mapped twice and spoils no name`() throws {
    let fixture = try ModuleFixture(["ANSWER=51"])
    let descriptor = try sealedFile(fixture.bytes)
    defer { close(descriptor) }
    let module = try MappedModule.map(
      descriptor: descriptor, expecting: fixture.expectation, ordinal: 0)
    for _ in 0..<3 {
      let refused = refusal {
        try MappedModule.map(descriptor: descriptor, expecting: fixture.expectation, ordinal: 1)
      }
      #expect(refused?.kind == .race)
    }
    let others = try (52...54).map { try ModuleFixture(["ANSWER=\($0)"]).map() }
    #expect(([module] + others).map { answer(of: $0) } == [51, 52, 53, 54])
  }

  @Test func `an image with another build id than the verified one is a race`() throws {
    let verified = try ModuleFixture(["ANSWER=61"])
    let mapped = try ModuleFixture(["ANSWER=62"])
    let refused = refusal { try mapped.map(expecting: verified.expectation) }
    #expect(refused?.kind == .race)
    #expect(refused?.location == "NT_GNU_BUILD_ID")
  }

  @Test func `an image with other facts than the verified ones is a race`() throws {
    let fixture = try ModuleFixture(["ANSWER=63"])
    var facts = fixture.expectation.facts
    facts[20] ^= 1
    let expected = ModuleExpectation(buildID: fixture.expectation.buildID, facts: facts)
    let refused = refusal { try fixture.map(expecting: expected) }
    #expect(refused?.kind == .race)
    #expect(refused?.location == ".note.hitless")
  }

  @Test(arguments: [
    ("OTHER_NOTE", RefusalClass.badELF, "hitless_module.facts"),
    ("NO_DESCRIPTOR", .badELF, "hitless_module"),
    ("SMALL", .badELF, "hitless_module.size"),
    ("FOREIGN_TABLE", .badELF, "hitless_module.table"),
    ("FOREIGN_HOOK", .badELF, "hitless_module.selftest"),
    ("ABI=2", .notForTarget, "hitless_module.abi_version"),
  ])
  func `a descriptor that does not fit is refused`(
    macro: String, kind: RefusalClass, location: String
  ) throws {
    let refused = refusal { try ModuleFixture([macro]).map() }
    #expect(refused?.kind == kind)
    #expect(refused?.location == location)
  }

  @Test func `a file that is no library is refused by the loader`() throws {
    let fixture = try ModuleFixture(["ANSWER=64"])
    let descriptor = try sealedFile(Array("not an image".utf8))
    defer { close(descriptor) }
    let refused = refusal {
      try MappedModule.map(descriptor: descriptor, expecting: fixture.expectation, ordinal: 0)
    }
    #expect(refused?.kind == .badELF)
  }

  @Test func `a mapped byte that differs from the verified file is a race`() throws {
    let fixture = try ModuleFixture(["ANSWER=65"])
    let module = try fixture.map()
    // One byte of the code: an image the loader took from elsewhere, or that was written to.
    var other = fixture.bytes
    let code = try #require(other.firstRange(of: [65, 0, 0, 0, 0xc3])?.lowerBound)
    other[code] = 66
    let refused = refusal { try module.compare(with: other) }
    #expect(refused?.kind == .race)
    #expect(refusal { try module.compare(with: Array(other.prefix(100))) }?.kind == .badELF)
  }

  @Test func `attach gets the slot's control context and the host's services`() throws {
    let lines = Guarded<[String]>([])
    let services = HostServices { level, line in lines.withLock { $0.append("\(level) \(line)") } }
    let module = try ModuleFixture(["ANSWER=71"]).map()
    let control = Counter()
    unsafe try module.attach(services: services, control: control.pointer)
    #expect(control.value == 1)
    unsafe try module.selftest(services: services)
    #expect(lines.withLock { $0 } == ["6 attached", "6 no vectors"])
    #expect(refusal { unsafe try module.attach(services: services) }?.kind == .state)
  }

  @Test func `hooks that fail are refused by name`() throws {
    let services = HostServices()
    let control = Counter()
    let attaching = try ModuleFixture(["ATTACH_FAILS"]).map()
    let refused = refusal {
      unsafe try attaching.attach(services: services, control: control.pointer)
    }
    #expect(refused?.kind == .health)
    #expect(refused?.location == "hitless_module.attach")
    #expect(refused?.found == "-5")
    let testing = try ModuleFixture(["SELFTEST_FAILS"]).map()
    #expect(
      refusal { unsafe try testing.selftest(services: services) }?.location
        == "hitless_module.selftest")
  }

  /// The hook runs on for ever; what it runs in must not be used and must not go away.
  @Test func `a late attach is left alone and its module is never used nor unmapped`() throws {
    let module = try ModuleFixture(["ATTACH_HANGS"]).map()
    let services = HostServices()
    let control = Counter()
    defer { control.value = 1 }
    let refused = refusal {
      unsafe try module.attach(services: services, control: control.pointer, budget: 20_000_000)
    }
    #expect(refused?.kind == .health)
    let domain = SwapDomain(slotCount: 1)
    #expect(refusal { try domain.makeGeneration([module]) }?.kind == .state)
    #expect(refusal { try domain.unload(module) }?.kind == .state)
  }
}

/// The number that the fixture's table answers with.
func answer(of module: MappedModule) -> UInt32 {
  typealias Answer = @convention(c) () -> UInt32
  // SAFETY: the fixture's table has the function at this offset.
  return unsafe module.table.load(fromByteOffset: 8, as: Answer.self)()
}

/// The refusal that `body` throws, or nil when it throws none.
func refusal<T>(_ body: () throws -> T) -> Refusal? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? Refusal
  }
}

/// A number at an address that a module can keep: it is never freed.
@safe
final class Counter {
  let pointer = UnsafeMutableRawPointer.allocate(byteCount: 4, alignment: 4)

  init() { unsafe pointer.storeBytes(of: 0, as: UInt32.self) }

  var value: UInt32 {
    get { unsafe pointer.load(as: UInt32.self) }
    set { unsafe pointer.storeBytes(of: newValue, as: UInt32.self) }
  }
}
