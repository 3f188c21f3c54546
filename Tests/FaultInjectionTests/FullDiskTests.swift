import Glibc
import TestSupport
import Testing

/// A disk without room, for whoever runs the tests: writes into the state directory fail until there is room.
@Suite("A host whose disk is full", .serialized, .announcingCalls)
struct FullDiskTests {
  /// A disk may have no room for contents, or not even for a name.
  @Test(arguments: [["write", "pwrite64"], ["write", "pwrite64", "openat2"]])
  func `refuses to confirm, loses nothing, goes back, and starts`(calls: [String]) throws {
    let site = try FaultSite()
    let state = try site.copy("full")
    let host = try FaultedHost(site, state: state)
    let full = Self.full(host, state, calls)
    for words in Life.plain(site)[..<3] { try #require(try host.order(words) == "ok ") }
    let before = snapshot(of: state)
    let descriptors = try host.order("descriptors")
    let refused = try host.order("confirm", deciding: full)
    #expect(refused?.hasPrefix("refused 60 ") == true, "\(refused ?? "ended")")
    #expect(snapshot(of: state) == before)
    #expect(try host.order("descriptors") == descriptors)
    #expect(try host.order("rollback", deciding: full) == "ok ")
    #expect(try host.order("result") == site.old)
    #expect(try host.order("close", deciding: full) == "ok ")
    #expect(snapshot(of: state) == before)
    // With what it had confirmed, full or not.
    let second = try FaultedHost(site, state: state)
    #expect(try second.order("start", deciding: Self.full(second, state, calls)) == "ok ")
    #expect(try second.order("result") == site.old)
    // That the candidate was rolled back could not be written down: the patch waits as after a death on trial.
    #expect(try second.order(Life.plain(site)[1]) == "ok ")
    let waits = try second.order("activate") ?? "ended"
    #expect(waits.hasPrefix("refused 71 "), "\(waits)")
    #expect(try second.order("rollback") == "ok ")
    // The hint ends with sixteen digits of the patch.
    #expect(try second.order("pardon \(waits.suffix(17).dropLast())") == "ok ", "\(waits)")
    // And once there is room, everything goes on.
    for words in Life.plain(site)[1...] { #expect(try second.order(words) == "ok ") }
    let restart = try Restart(site, state)
    #expect(restart.result == site.new)
    #expect(restart.problems == [])
  }

  @Test func `starts after a torn audit line, and says so once there is room`() throws {
    let site = try FaultSite()
    let state = try site.copy("torn")
    let log = try #require(contents(of: "\(state)/audit.jsonl"))
    try site.directory.write("torn/audit.jsonl", log + Array("{\"number\":".utf8))
    let host = try FaultedHost(site, state: state)
    #expect(try host.order("start", deciding: Self.full(host, state, ["write"])) == "ok ")
    #expect(contents(of: "\(state)/audit.jsonl") == log)
    #expect(try host.order("close") == "ok ")
    let restart = try Restart(site, state)
    #expect(restart.lines.contains { $0.contains("\"repaired\"") })
    #expect(restart.problems == [])
  }

  /// What fails in the state directory when there is no room.
  private static func full(
    _ host: FaultedHost, _ state: String, _ calls: [String]
  ) -> (Call) -> Fate {
    { call in
      guard calls.contains(call.name), host.path(of: call.descriptor).hasPrefix(state) else {
        return .made
      }
      return call.opensOld ? .made : .failed(ENOSPC)
    }
  }
}

/// A device that fails in the one moment in which a refusal cannot be kept to: the new set is visible, is not
/// known to be durable, and cannot be taken back.
@Suite("A device that fails at the name of the new set", .serialized, .announcingCalls)
struct DoubtTests {
  @Test func `may leave either set, whole, and the old one as soon as it takes writes again`()
    throws
  {
    let site = try FaultSite()
    let state = try site.copy("doubt")
    let host = try FaultedHost(site, state: state)
    for words in Life.plain(site)[..<3] { try #require(try host.order(words) == "ok ") }
    var isBroken = false
    let refused = try host.order("confirm") { call in
      if call.name == "fsync" && host.path(of: call.descriptor) == state { isBroken = true }
      let isWrite = ["fsync", "write", "renameat", "unlinkat"].contains(call.name)
      return isBroken && (isWrite || call.name == "openat2" && !call.opensOld)
        ? .failed(EIO) : .made
    }
    #expect(refused?.hasPrefix("refused 61 ") == true, "\(refused ?? "ended")")
    let between = try Restart(site, try site.copy("between", of: state))
    #expect([site.old, site.new].contains(between.result), "\(between.result)")
    #expect(between.problems == [])
    #expect(try host.order("rollback") == "ok ")
    host.kill()
    let after = try Restart(site, state)
    #expect(after.result == site.old)
    #expect(after.problems == [])
  }
}
