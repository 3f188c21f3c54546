import Agent
import CTestSystem
import Glibc
import Refusal
import TestSupport
import Testing

/// A state directory that nobody can write to, whoever runs the tests.
@Suite("A state directory that is read-only")
struct ReadOnlyStateTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func `one on a read-only file system stops the start and stays as it was`() throws {
    try site.confirmOne()
    let before = snapshot(of: site.state)
    let refusal = try whileReadOnly { refused { _ = try site.start() } }
    #expect(refusal?.kind == .io)
    #expect(refusal?.message.contains(site.state) == true, "\(String(describing: refusal))")
    #expect(refusal?.hint != nil)
    #expect(snapshot(of: site.state) == before)
    // Once it can be written to again, nothing was lost.
    let agent = try site.start()
    let worker = try TestWorker(agent)
    #expect(worker.results == [32, 31])
    worker.stop()
    try agent.close()
  }

  @Test func `one that is not there yet cannot be made on a read-only file system`() throws {
    let refusal = try whileReadOnly(site.directory.path) { refused { _ = try site.open() } }
    #expect(refusal?.kind == .io)
    #expect(refusal?.hint != nil)
    #expect(try !site.directory.names.contains("state"))
    try site.start().close()
  }

  /// By permissions, which the thread lets hold for root too: a mount with an open log cannot be made
  /// read-only under a running agent.
  @Test func `one that has become read-only refuses what must be kept, and lets go back`() throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    unsafe chmod(site.state, 0o500)
    let before = site.durableState()
    try whilePermissionsHold {
      expectNothingCanBeMade(in: site.state)
      #expect(refused { _ = try agent.confirm(number) }?.kind == .io)
      #expect(agent.status().transactionState == .active)
      #expect(agent.doctor().contains { $0.subject == "state directory" && !$0.isFine })
      #expect(refused { _ = try agent.rollback(number) } == nil)
    }
    #expect(site.durableState() == before)
    #expect(eventually { worker.results == [31, 31] })
    unsafe chmod(site.state, 0o700)
    _ = try agent.activate(number)
    try agent.confirm(number)
    #expect(eventually { worker.results == [32, 31] })
    worker.stop()
    try agent.close()
  }

  private func refused(_ body: () throws -> Void) -> Refusal? {
    do {
      try body()
      return nil
    } catch let refusal as Refusal {
      return refusal
    } catch {
      Issue.record(error)
      return nil
    }
  }

  /// Runs `body` while nothing beneath `path`, or the state directory, can be written by this thread.
  ///
  /// Root gets a read-only bind mount that only this thread sees. Who may not mount, or is not root,
  /// takes every write permission away instead.
  private func whileReadOnly<Value>(
    _ path: String? = nil, _ body: () throws -> Value
  ) throws -> Value {
    let path = path ?? site.state
    var before = test_mounts()
    // SAFETY: the path is NUL-terminated for the call, and `before` is ours.
    if unsafe test_mounts_read_only(path, &before) == 0 {
      defer { #expect(test_mounts_restore(before) == 0) }
      expectNothingCanBeMade(in: path)
      return try body()
    }
    try #require([EPERM, ENOSYS].contains(errno), "no bind mount: error \(errno)")
    try #require(try run("/bin/chmod", ["-R", "a-w", path]).status == 0)
    defer { _ = try? run("/bin/chmod", ["-R", "u+w", path]) }
    return try whilePermissionsHold {
      expectNothingCanBeMade(in: path)
      return try body()
    }
  }

  private func whilePermissionsHold<Value>(_ body: () throws -> Value) throws -> Value {
    try #require(test_permissions_hold(1) == 0)
    defer { #expect(test_permissions_hold(0) == 0) }
    return try body()
  }

  /// The probe that these tests can fail: what they rest on is in force.
  private func expectNothingCanBeMade(in path: String) {
    // SAFETY: the path is NUL-terminated for the call.
    #expect(unsafe mkdir("\(path)/anything", 0o700) != 0)
  }
}
