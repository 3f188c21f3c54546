import CPlatform
import Foundation
import GTPU
import PacketIO
import Platform
import Synchronization
import Testing

@testable import GNB

/// A UPF and a sink in one: what comes through a tunnel goes back to its UE, but for what `mischief`
/// does to it.
final class EchoUPF: Sendable {
  /// What happens to a packet.
  enum Mischief: Sendable {
    case none
    /// It is lost.
    case drop
    /// It comes twice.
    case duplicate
    /// Its last byte is changed, its checksum is not.
    case corrupt
    /// It comes through the next UE's tunnel.
    case misdeliver
    /// It comes back as if the sink had not seen it.
    case unmarked
    /// It waits for the next packet to overtake it.
    case hold
  }

  /// Tunnel endpoints: the UE with uplink 0x1000 + n has downlink 0x2000 + n.
  static let pool = "10.61.0.1,0x1000,0x2000,9,8"

  let local: IPv4Endpoint
  private let isEnding = Atomic<Bool>(false)
  private let hasEnded = DispatchSemaphore(value: 0)

  init(_ mischief: @escaping @Sendable (ProbeRecord) -> Mischief) throws {
    let socket = try UDPSocket(binding: N3PortTests.loopback)
    local = socket.local
    let box = Guarded(Optional(socket))
    Thread.detachNewThread { [self] in
      guard let socket = box.withLock({ $0.take() }) else { return }
      serve(socket, mischief)
      hasEnded.signal()
    }
  }

  /// Ends the thread.
  func stop() {
    isEnding.store(true, ordering: .releasing)
    hasEnded.wait()
  }

  private func serve(
    _ socket: consuming UDPSocket, _ mischief: @Sendable (ProbeRecord) -> Mischief
  ) {
    let arena = PacketArena(receiving: socket)
    var poller = Poller()
    _ = poller.add(socket.descriptor, .readable)
    var held: [(bytes: [UInt8], peer: IPv4Endpoint)] = []
    while !isEnding.load(ordering: .acquiring) {
      let count = unsafe socket.receive(into: arena.region, packets: arena.packets).count
      if count == 0 { _ = try? poller.wait(nanoseconds: 5_000_000) }
      for index in 0..<count {
        let packet = unsafe arena.packets[index]
        guard let answer = unsafe Self.answer(Array(packet.content), mischief) else { continue }
        if answer.isHeld {
          unsafe held.append((answer.bytes[0], packet.peer))
          continue
        }
        for bytes in answer.bytes { unsafe Self.send(bytes, to: packet.peer, on: &socket) }
        for late in held { Self.send(late.bytes, to: late.peer, on: &socket) }
        held.removeAll()
      }
    }
  }

  private static func answer(
    _ datagram: [UInt8], _ mischief: (ProbeRecord) -> Mischief
  ) -> (bytes: [[UInt8]], isHeld: Bool)? {
    guard let header = try? GTPUHeader(parsing: datagram.span) else { return nil }
    var inner = Array(datagram[header.payloadOffset...])
    guard let packet = try? ProbePacket(parsing: inner.span) else { return nil }
    let what = mischief(packet.record)
    var span = inner.mutableSpan
    ProbePacket.turnAround(&span)
    var teid = header.teid + 0x1000
    switch what {
    case .none, .duplicate, .hold: break
    case .drop: return nil
    case .corrupt: inner[inner.count - 1] ^= 1
    case .misdeliver: teid = 0x2000 + (teid - 0x2000 + 1) % 8
    case .unmarked:
      var packet = packet
      swap(&packet.source, &packet.destination)
      inner = ProbePacketTests.bytes(of: packet, size: inner.count)
    }
    let downlink = GTPUHeader(
      .packet, teid: teid, pduSession: PDUSessionContainer(.downlink, qfi: 9))
    let bytes = downlink.message(inner)
    switch what {
    case .duplicate: return ([bytes, bytes], false)
    case .hold: return ([bytes], true)
    case .none, .drop, .corrupt, .misdeliver, .unmarked: return ([bytes], false)
    }
  }

  private static func send(_ bytes: [UInt8], to peer: IPv4Endpoint, on socket: inout UDPSocket) {
    let output = PacketArena(count: 1, room: bytes.count)
    unsafe output.packets[0].bytes?.update(from: bytes, count: bytes.count)
    unsafe output.packets[0].length = UInt32(bytes.count)
    // Through a copy of the address, for ThreadSanitizer's compiler: see Generator.
    let packets = unsafe output.packets
    unsafe packets[0].peer = peer
    _ = unsafe socket.send(output.first(1))
  }
}
