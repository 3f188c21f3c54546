internal import CHitless
internal import CPlatform
internal import GTPU
internal import PacketIO
internal import Platform
package import Refusal

/// The whole packet path in one thread and in memory, stepped by hand: what a worker costs without a
/// network, and proof of what it does not do on the way.
///
/// Each round puts one batch into a memory port, lets the worker serve it, and takes out what it sent,
/// so the time includes two copies of every packet.
///
/// Threading: one thread makes it, uses it and ends it.
@safe
package final class PathMeasurement {
  /// Packets in a round.
  package static let batchSize = packetBatchLimit

  private let plane: UserPlane
  private let registry: any WorkerRegistry
  private let access: MemoryPort
  private let core: MemoryPort
  private let record: UnsafeMutablePointer<hitless_worker>
  private let uplink: [PacketBuffer]
  private let downlink: [PacketBuffer]
  private let bytes: ZeroedMemory
  private var position = 0

  private static let n3Address: UInt32 = 0x0a01_0001
  private static let peer: UInt32 = 0x0a01_0002
  private static let firstUE: UInt32 = 0x0a40_0000
  private static let server: UInt32 = 0x0808_0808

  /// Prepares `sessions` sessions and traffic of IP packets of `size` bytes that touches all of them.
  package init(
    sessions: UInt32, size: Int, classifySlot: UInt32, qerSlot: UInt32,
    registry: any WorkerRegistry
  ) throws(Refusal) {
    guard (1...1 << 20).contains(sessions), (28...9000).contains(size) else {
      throw Refusal(.usage, "1 to \(1 << 20) sessions, packets of 28 to 9000 bytes")
    }
    let doorbell = try Doorbell()
    access = try MemoryPort(.n3, doorbell: doorbell)
    core = try MemoryPort(.n6, doorbell: doorbell)
    let seat = WorkerSeat(doorbell: doorbell, n3: .memory(access), n6: .memory(core))
    var options = UserPlaneOptions(
      seats: [seat], n3Address: IPv4Address(rawValue: Self.n3Address),
      classifySlot: classifySlot, qerSlot: qerSlot)
    options.limits = RuleLimits()
    plane = try UserPlane(options, sessions: [Self.session(count: sessions)])
    self.registry = registry
    unsafe record = try registry.registerWorker(name: "measurement")
    let stride = (size + ForwardingRule.headerSize + 63) / 64 * 64
    // Enough packets to touch every session, in an order that no cache line follows.
    let count = max(4096, Int(sessions))
    bytes = try ZeroedMemory(count: 2 * count, stride: stride)
    var uplink = unsafe [PacketBuffer]()
    var downlink = unsafe [PacketBuffer]()
    for index in 0..<count {
      let user = UInt32(truncatingIfNeeded: index &* 2_654_435_761) % sessions
      unsafe uplink.append(
        Self.place(Self.uplinkPacket(user, size), bytes, at: 2 * index * stride))
      unsafe downlink.append(
        Self.place(Self.downlinkPacket(user, size), bytes, at: (2 * index + 1) * stride))
    }
    unsafe self.uplink = uplink
    unsafe self.downlink = downlink
  }

  deinit { unsafe registry.unregisterWorker(record) }

  /// Runs `rounds` rounds, of uplink and downlink packets in turn; returns the nanoseconds they took.
  package func run(rounds: Int) -> UInt64 {
    let worker = plane.workers[0]
    let start = MonotonicClock.now
    for round in 0..<rounds {
      if round.isMultiple(of: 2) {
        unsafe feed(access, uplink)
        _ = unsafe worker.serve(worker.n3, .n3, record)
        _ = unsafe core.collect { _ in }
      } else {
        unsafe feed(core, downlink)
        _ = unsafe worker.serve(worker.n6, .n6, record)
        _ = unsafe access.collect { _ in }
      }
    }
    return MonotonicClock.now - start
  }

  /// The account of everything that was run.
  package func account() -> Account { plane.account() }

  private func feed(_ port: MemoryPort, _ packets: [PacketBuffer]) {
    for _ in 0..<Self.batchSize {
      _ = unsafe port.inject(packets[position])
      position += 1
      if unsafe position == packets.count { position = 0 }
    }
    port.flush()
  }

  private static func session(count: UInt32) -> SessionSpecification {
    let limit = QoSEnforcementRule.Limit(mbr: 1_000_000_000_000)
    return SessionSpecification(
      seid: 1, count: count,
      pdrs: [
        PacketDetectionRule(
          id: 1, precedence: 1, source: .access(teid: 1, address: nil, ue: []), far: 1, qer: 1,
          urr: 1),
        PacketDetectionRule(
          id: 2, precedence: 1, source: .core(ue: [.v4(firstUE)]), far: 2, qer: 1, urr: 1),
      ],
      fars: [
        ForwardingActionRule(id: 1, action: .toCore),
        ForwardingActionRule(
          id: 2, action: .toAccess(teid: 1, address: peer, port: GTPUHeader.port)),
      ],
      qers: [QoSEnforcementRule(id: 1, qfi: 9, uplink: limit, downlink: limit)],
      urrs: [UsageReportingRule(id: 1)])
  }

  private static func uplinkPacket(_ user: UInt32, _ size: Int) -> [UInt8] {
    GTPUHeader(.packet, teid: 1 + user, pduSession: PDUSessionContainer(.uplink, qfi: 9))
      .message(packet(from: firstUE + user, to: server, size))
  }

  private static func downlinkPacket(_ user: UInt32, _ size: Int) -> [UInt8] {
    packet(from: server, to: firstUE + user, size)
  }

  /// An IPv4 packet with UDP ports and zeros behind them.
  private static func packet(from source: UInt32, to destination: UInt32, _ size: Int) -> [UInt8] {
    func big(_ value: UInt32) -> [UInt8] {
      [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
    }
    let head: [UInt8] =
      [0x45, 0, UInt8(size >> 8), UInt8(size & 255), 0, 0, 0, 0, 64, 17, 0, 0]
      + big(source) + big(destination) + [0x10, 0, 0x20, 0]
    return head + [UInt8](repeating: 0, count: size - head.count)
  }

  private static func place(
    _ packet: [UInt8], _ memory: ZeroedMemory, at offset: Int
  ) -> PacketBuffer {
    let start = unsafe memory.base + offset
    unsafe start.copyMemory(from: packet, byteCount: packet.count)
    var buffer = unsafe PacketBuffer()
    unsafe buffer.bytes = start.assumingMemoryBound(to: UInt8.self)
    unsafe buffer.length = UInt32(packet.count)
    unsafe buffer.address = peer
    unsafe buffer.port = GTPUHeader.port
    return unsafe buffer
  }
}
