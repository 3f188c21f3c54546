import Agent
import AgentControl
import Bytes
import CHitless
import Guard
import Probation
import Refusal
import TestSupport
import Testing

/// Who may not be put in shadow, and that nothing changes by the attempt.
///
/// Shadows that go on are in GuardTests.
@Suite("Refused shadows", .serialized)
struct ShadowTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func `a host that takes no part refuses, and everything else works`() throws {
    let agent = try site.start()
    let number = try agent.install(patch: try site.patch())
    expectRefusal(.unsupported) {
      _ = try agent.activate(number, shadow: ShadowPlan(share: 3277, batches: 10))
    }
    #expect(agent.status().transactionState == .staged)
    _ = try agent.activate(number)
    #expect(agent.status().transactionState == .active && !agent.shadowIsUnderWay)
    try agent.confirm(number)
    try agent.close()
  }

  @Test func `without the guard there is no shadow`() throws {
    site.options.guarding.mode = .off
    let agent = try site.open()
    try agent.defineShadow(try unsafe ShadowHost(Self.host()))
    try agent.start()
    let number = try agent.install(patch: try site.patch())
    expectRefusal(.state) {
      _ = try agent.activate(number, shadow: ShadowPlan(share: 3277, batches: 10))
    }
    #expect(agent.status().transactionState == .staged)
    try agent.close()
  }

  @Test func `a plan that makes no sense, over the socket too, changes nothing`() throws {
    site.options.controlSocket = site.directory.path("control")
    let agent = try site.open()
    try agent.defineShadow(try unsafe ShadowHost(Self.host()))
    expectRefusal(.state) { try agent.defineShadow(try unsafe ShadowHost(Self.host())) }
    try agent.start()
    let number = try agent.install(patch: try site.patch())
    expectRefusal(.usage) { _ = try agent.activate(number, shadow: ShadowPlan(share: 0)) }
    let client = try ControlClient(path: site.directory.path("control"))
    for arguments: [String: CBOR] in [
      ["shadow_batches": .unsigned(5)], ["shadow_share": .text("much")],
      ["shadow_share": .unsigned(.max)],
    ] {
      expectRefusal(.usage) { _ = try client.ask(ControlRequest("activate", arguments)) }
    }
    #expect(agent.status().transactionState == .staged)
    try agent.close()
  }

  @Test func `what a host says about its copies is checked`() throws {
    for size: UInt64 in [0, 16 << 20 + 1, .max] {
      expectRefusal(.limit) {
        var host = unsafe Self.host()
        unsafe host.copy_size = size
        _ = try unsafe ShadowHost(host)
      }
    }
    expectRefusal(.limit) {
      var host = unsafe Self.host()
      unsafe host.output_limit = 0
      _ = try unsafe ShadowHost(host)
    }
    expectRefusal(.usage) {
      var host = unsafe Self.host()
      unsafe host.run = nil
      _ = try unsafe ShadowHost(host)
    }
  }
}

extension ShadowTests {
  /// A host whose batches are of one byte, and the same on both sides.
  static func host() -> hitless_shadow_options {
    var host = unsafe hitless_shadow_options()
    unsafe host.size = UInt32(MemoryLayout<hitless_shadow_options>.size)
    unsafe host.output_limit = 1
    unsafe host.copy_size = 1
    unsafe host.copy = { _, _, _ in 1 }
    unsafe host.run = { _, _, _ in 0 }
    unsafe host.outputs = { _, _, _ in 0 }
    return unsafe host
  }
}
