import Bytes
import CPlatform
import Foundation
import PacketIO
import Platform
import Testing

@testable import GNB

@Suite("Reflector")
struct ReflectorTests {
  static let sink = IPv4Endpoint(address: IPv4Address(rawValue: 0x0a06_0002), port: 9000)

  static func packet(_ number: UInt64, stream: ProbeRecord.Stream = .windowed) -> ProbePacket {
    ProbePacket(
      source: IPv4Endpoint(address: IPv4Address(rawValue: 0x0a3d_0001), port: 40_000),
      destination: sink,
      record: ProbeRecord(run: 5, stream: stream, flow: 0, number: number, sentAt: 0))
  }

  static func put(_ messages: [[UInt8]], to peer: IPv4Endpoint? = nil) -> PacketArena {
    let arena = PacketArena(count: messages.count, room: 2048)
    // Through a copy of the address, for ThreadSanitizer's compiler: see Generator.
    let packets = unsafe arena.packets
    for (index, bytes) in messages.enumerated() {
      unsafe packets[index].bytes?.update(from: bytes, count: bytes.count)
      unsafe packets[index].length = UInt32(bytes.count)
      if let peer { unsafe packets[index].peer = peer }
    }
    return arena
  }

  static func parse(_ json: JSON) throws -> [String: Any] {
    let parsed = try JSONSerialization.jsonObject(with: Data(json.text.utf8))
    return try #require(parsed as? [String: Any])
  }

  @Test func `a local reflector turns packets around and counts every kind`() throws {
    let path = "/tmp/hitless-reflector-\(getpid())"
    var reflector = try LocalReflector(path: path, sink: Self.sink)
    let port = try PacketPort.connect(path)
    var elsewhere = Self.packet(9)
    elsewhere.destination.port = 1
    var changed = ProbePacketTests.bytes(of: Self.packet(8), size: 100)
    changed[99] ^= 1
    var looped = Self.packet(7)
    looped.record.isReturned = true
    let sound = [0, 2, 1, 1].map { ProbePacketTests.bytes(of: Self.packet($0), size: 100) }
    let messages =
      sound + [
        ProbePacketTests.bytes(of: elsewhere, size: 100), changed,
        ProbePacketTests.bytes(of: looped, size: 100), [0x45, 0],
      ]
    let output = Self.put(messages)
    let written = unsafe port.write(output.first(messages.count))
    #expect(written == BatchResult(count: messages.count))
    // The first turn takes the connection, the second its packets.
    _ = try reflector.turn()
    let turned = try reflector.turn()
    #expect(turned == messages.count)

    let report = try Self.parse(reflector.json)
    #expect(report["received"] as? Int == 8)
    #expect(report["returned"] as? Int == 4)
    #expect(report["foreign"] as? Int == 2)
    #expect(report["corrupt"] as? Int == 1)
    #expect(report["looped"] as? Int == 1)
    let run = try #require((report["runs"] as? [[String: Any]])?.first)
    #expect(
      run["windowed"] as? [String: Int] == ["received": 3, "duplicated": 1, "reordered": 1])

    let input = PacketArena(count: 8, room: 2048)
    let read = unsafe port.read(into: input.packets)
    #expect(read.count == 4)
    let back = unsafe Array(input.packets[1].content)
    let first = try ProbePacket(parsing: back.span)
    #expect(first.destination == Self.packet(2).source)
    #expect(first.record.isReturned)
  }

  @Test func `a connection that goes away is forgotten, and a new one is taken`() throws {
    let path = "/tmp/hitless-reflector-again-\(getpid())"
    var reflector = try LocalReflector(path: path, sink: Self.sink)
    for round in 0..<3 as Range<UInt64> {
      let port = try PacketPort.connect(path)
      let output = Self.put([ProbePacketTests.bytes(of: Self.packet(round), size: 64)])
      let written = unsafe port.write(output.first(1)).count
      #expect(written == 1)
      var moved = 0
      for _ in 0..<3 where moved == 0 { moved = try reflector.turn() }
      #expect(moved == 1)
    }
    let report = try Self.parse(reflector.json)
    #expect(report["returned"] as? Int == 3)
  }

  @Test func `a reflector on the network answers the sender`() throws {
    var reflector = try Reflector(local: N3PortTests.loopback)
    var sender = try UDPSocket(binding: N3PortTests.loopback)
    let whole = ProbePacketTests.bytes(of: Self.packet(3, stream: .free), size: 100)
    let payload = Array(whole[ProbePacket.headerSize...])
    let output = Self.put([payload, [1, 2, 3]], to: reflector.local)
    let sent = unsafe sender.send(output.first(2)).count
    #expect(sent == 2)
    var moved = 0
    while moved < 2 { moved += try reflector.turn() }
    let report = try Self.parse(reflector.json)
    #expect(report["returned"] as? Int == 1)
    #expect(report["foreign"] as? Int == 1)

    let arena = PacketArena(receiving: sender)
    let received = unsafe sender.receive(into: arena.region, packets: arena.packets).count
    #expect(received == 1)
    let bytes = unsafe Array(arena.packets[0].content)
    let record = try ProbeRecord(parsing: bytes.span, at: 0)
    #expect(record.isReturned)
    #expect(record.stream == .free)
  }
}
