import CPlatform
import Foundation
import GTPU
import Glibc
import PacketIO
import TestSupport
import Testing

/// A running upfd between a UDP socket on the loopback interface and a local socket: every packet
/// goes through the kernel, and nothing needs a privilege.
@Suite("A running upfd", .serialized)
struct RunningTests {
  @Test func `packets pass both ways, a reload takes hold, and the end settles the account`() throws
  {
    let daemon = try RunningDaemon("127.77.0.1")
    defer { daemon.kill() }
    let inner = Self.packet([10, 60, 0, 1], [8, 8, 8, 8])
    let header = GTPUHeader(.packet, teid: 0x1000, pduSession: .init(.uplink, qfi: 9))
    daemon.send(header.message(inner))
    #expect(daemon.nextFromCore() == inner)
    let down = Self.packet([8, 8, 8, 8], [10, 60, 0, 1])
    daemon.sendFromCore(down)
    let datagram = try #require(daemon.nextFromUPF())
    let outer = try GTPUHeader(parsing: datagram.span)
    #expect(outer.teid == 0x101)
    #expect(Array(datagram[outer.payloadOffset...]) == down)
    daemon.send(ControlMessage.echoRequest(sequenceNumber: 9).encoded)
    #expect(
      daemon.nextFromUPF()
        == ControlMessage.echoResponse(sequenceNumber: 9, restartCounter: 0).encoded)

    try daemon.rewriteSessions { $0.replacingOccurrences(of: "count: 3", with: "count: 8") }
    #expect(try daemon.query("reload").output.contains(#""sessions":8"#))
    try daemon.rewriteSessions { $0 + "rubbish: 1\n" }
    let refused = try daemon.query("reload")
    #expect(refused.status == 10)
    #expect(refused.output.contains("'rubbish' is not known"))
    #expect(try daemon.query("accounting").output.contains(#""balanced":true,"missing":0"#))
    #expect(try daemon.query("session", "1").output.contains(#""balanced":true"#))
    #expect(try daemon.query("session", "77").status == 52)
    #expect(try daemon.query("nonsense").status == 2)

    #expect(try daemon.end() == 0)
    let output = try daemon.output()
    #expect(output.contains(#""event":"ready""#))
    #expect(output.contains(#""event":"stopped","accounting":{"balanced":true,"missing":0"#))
    #expect(!daemon.statisticsSocketExists)
  }

  @Test func `a second one on the same address says that the port is in use`() throws {
    let daemon = try RunningDaemon("127.77.0.3")
    defer { daemon.kill() }
    let second = try run(
      BuiltProduct.path("upfd"), daemon.arguments(state: "second", statistics: "second.sock"))
    #expect(second.status == 61)
    #expect(second.errors.contains("port 2152 of 127.77.0.3 is in use"))
    #expect(try daemon.end() == 0)
  }

  @Test func `an address of another machine is said so`() throws {
    let directory = try TemporaryDirectory()
    let sessions = try directory.write("s.yaml", Array(SessionFileTests.sound.utf8))
    let listener = try PacketPortListener(path: directory.path("n6"))
    let elsewhere = try run(
      BuiltProduct.path("upfd"),
      [
        "--config", sessions, "--n3", "192.0.2.1", "--n6", "local:\(listener.path)", "--state",
        directory.path("state"), "--modules", directory.path,
      ])
    #expect(elsewhere.status == 61)
    #expect(elsewhere.errors.contains("192.0.2.1 is no address of this machine"))
  }

  @Test func `a breaker of a module that there is not is a mistake of the call`() throws {
    let refused = try run(
      BuiltProduct.path("upfd"),
      [
        "--config", "/nowhere/s.yaml", "--n3", "127.77.0.12", "--n6", "local:/nowhere/n6",
        "--state", "/nowhere/state", "--modules", "/nowhere", "--breaker-metrics-only", "clasify",
      ])
    #expect(refused.status == 2)
    #expect(refused.errors.contains("--breaker-metrics-only names a module: classify or qer"))
  }

  /// An IPv4 packet with a UDP header and nothing behind it.
  static func packet(_ source: [UInt8], _ destination: [UInt8]) -> [UInt8] {
    [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0] + source + destination
      + [0x10, 0, 0x20, 0, 0, 8, 0, 0]
  }
}
