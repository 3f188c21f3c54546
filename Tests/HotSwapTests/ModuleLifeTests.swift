import CHitless
import CSwapTestSupport
import Glibc
import HotSwap
import Refusal
import TestSupport
import Testing

@Suite("Modules from mapping to unmapping")
struct ModuleLifeTests {
  @Test func `workers call the generation in force, whole`() throws {
    let domain = SwapDomain(slotCount: 2)
    let old = try (1...2).map { try attached("ANSWER=\($0)") }
    let new = try (3...4).map { try attached("ANSWER=\($0)") }
    let generations = [try domain.makeGeneration(old), try domain.makeGeneration(new)]
    _ = try domain.publish(stable: generations[0])
    let worker = try Puppet("worker", in: domain)
    #expect(answers(of: worker) == [1, 2])
    _ = try domain.publish(stable: generations[0], candidate: generations[1])
    #expect(answers(of: worker) == [3, 4])
    _ = try domain.publish(stable: generations[0])
    #expect(answers(of: worker) == [1, 2])
    worker.stop()
    unsafe try domain.unregisterWorker(worker.pointer)
  }

  @Test func `a generation needs one module per slot`() throws {
    let domain = SwapDomain(slotCount: 2)
    #expect(refusal { try domain.makeGeneration([try attached("ANSWER=1")]) }?.kind == .state)
  }

  @Test func `a module is unmapped only when no worker can reach it`() throws {
    let domain = SwapDomain(slotCount: 1, poisonsRetiredMemory: true)
    let modules = [try attached("ANSWER=81"), try attached("ANSWER=82")]
    let generations = try modules.map { try domain.makeGeneration([$0]) }
    _ = try domain.publish(stable: generations[0])
    let worker = try Puppet("worker", in: domain)
    #expect(worker.enter() == 1)
    let publication = try domain.publish(stable: generations[1])

    #expect(!hasPassed(domain.waitForGrace(publication, timeout: 0)))
    #expect(refusal { try domain.release(generations[0]) }?.kind == .state)
    #expect(refusal { try domain.unload(modules[0]) }?.kind == .state)
    #expect(isMapped(modules[0]))

    #expect(worker.enter() == 2)
    #expect(hasPassed(domain.waitForGrace(publication, timeout: SwapDomainTests.long)))
    #expect(refusal { try domain.unload(modules[0]) }?.kind == .state)
    try domain.release(generations[0])
    try domain.unload(modules[0])
    // Under a sanitizer something else is soon mapped there.
    #expect(Sanitizer.isAny || !isMapped(modules[0]))
    #expect(refusal { try domain.unload(modules[0]) }?.kind == .state)
    #expect(refusal { try domain.makeGeneration([modules[0]]) }?.kind == .state)
    #expect(answer(of: modules[1]) == 82)
    worker.stop()
    unsafe try domain.unregisterWorker(worker.pointer)
  }

  /// In a process of its own, because other tests allocate as well.
  ///
  /// A sanitizer has an allocator of its own.
  @Test(.enabled(if: !Sanitizer.isAny))
  func `a module that has come and gone leaves no memory behind`() async {
    await #expect(processExitsWith: .success) {
      let domain = SwapDomain(slotCount: 1)
      let fixture = try ModuleFixture(["ANSWER=84"])
      func comeAndGo(_ count: Int) throws {
        for _ in 0..<count { try domain.unload(try fixture.map()) }
      }
      try comeAndGo(20)
      let before = swap_allocated_bytes()
      try comeAndGo(300)
      // An eighth of what one record of each would be.
      #expect(swap_allocated_bytes() < before + 300 * 20)
    }
  }

  @Test func `unmapping detaches first`() throws {
    let domain = SwapDomain(slotCount: 1)
    let module = try ModuleFixture(["ANSWER=83"]).map()
    let control = Counter()
    unsafe try module.attach(services: HostServices(), control: control.pointer)
    #expect(control.value == 1)
    try domain.unload(module)
    #expect(control.value == 101)
  }

  @Test func `a module whose detach does not return stays mapped, and keeps nobody waiting`() throws
  {
    let domain = SwapDomain(slotCount: 1)
    let module = try ModuleFixture(["ANSWER=85", "DETACH_HANGS"]).map()
    let control = Counter()
    unsafe try module.attach(services: HostServices(), control: control.pointer)
    let refused = refusal { try domain.unload(module, budget: 20_000_000) }
    #expect(refused?.kind == .health)
    #expect(refusal { try domain.makeGeneration([module]) }?.kind == .state)
    // It is still running, in code that is still there.
    control.value = 50
    #expect(eventually { control.value == 150 })
  }

  @Test func `a file can be mapped again after it was unmapped`() throws {
    let domain = SwapDomain(slotCount: 1)
    let fixture = try ModuleFixture(["ANSWER=84"])
    let descriptor = try sealedFile(fixture.bytes)
    defer { close(descriptor) }
    for _ in 0..<3 {
      let module = try MappedModule.map(
        descriptor: descriptor, expecting: fixture.expectation, ordinal: 0)
      #expect(answer(of: module) == 84)
      try domain.unload(module)
    }
  }

  private func attached(_ macro: String) throws -> MappedModule {
    let module = try ModuleFixture([macro]).map()
    let control = Counter()
    unsafe try module.attach(services: HostServices(), control: control.pointer)
    return module
  }

  /// What the modules of each slot answer within one batch.
  private func answers(of worker: Puppet) -> [UInt32] {
    let answers = Box<[UInt32]>([])
    unsafe worker.run { worker in
      guard let view = unsafe hitless_enter(worker) else { return }
      let count = unsafe view.pointee.serving.pointee.slot_count
      answers.set(
        (0..<count).map { slot in
          typealias Answer = @convention(c) () -> UInt32
          let table = unsafe hitless_table(view, slot)
          return unsafe table?.load(fromByteOffset: 8, as: Answer.self)() ?? 0
        })
    }
    return answers.value
  }

  /// Whether the module's descriptor page is still there.
  private func isMapped(_ module: MappedModule) -> Bool {
    let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
    let start = unsafe UInt(bitPattern: module.table) / page * page
    var residence: UInt8 = 0
    return unsafe mincore(UnsafeMutableRawPointer(bitPattern: start), Int(page), &residence) == 0
  }
}
