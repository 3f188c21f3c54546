import CPlatform
import CUPF
import PacketIO
import Refusal
import TestSupport
import UPF

/// Addresses and tunnels that tests use.
enum Site {
  static let n3: UInt32 = 0x0a01_0001
  static let gnb: UInt32 = 0x0a01_0002
  static let ue: UInt32 = 0x0a3c_0001
  static let server: UInt32 = 0x0808_0808
  static let teid: UInt32 = 0x1000
  static let gnbTEID: UInt32 = 0x2000
  static let uePrefix: UInt64 = 0x2001_0db8_0000_0001
  static let server6: (UInt64, UInt64) = (0x2001_4860_4860_0000, 0x8888)

  /// A session with one PDR, FAR, QER and URR; uplink and downlink, IPv4 and IPv6.
  static func session(
    seid: UInt64 = 1, count: UInt32 = 1, teid: UInt32 = Site.teid, ue: UInt32 = Site.ue,
    prefix: UInt64 = Site.uePrefix, qer: QoSEnforcementRule = QoSEnforcementRule(id: 1, qfi: 9)
  ) -> SessionSpecification {
    SessionSpecification(
      seid: seid, count: count,
      pdrs: [
        PacketDetectionRule(
          id: 1, precedence: 100, source: .access(teid: teid, address: nil, ue: []), far: 1,
          qer: 1, urr: 1),
        PacketDetectionRule(
          id: 2, precedence: 100, source: .core(ue: [.v4(ue), .v6(prefix)]), far: 2, qer: 1,
          urr: 1),
      ],
      fars: [
        ForwardingActionRule(id: 1, action: .toCore),
        ForwardingActionRule(
          id: 2, action: .toAccess(teid: gnbTEID + teid - Site.teid, address: gnb, port: 2152)),
      ],
      qers: [qer], urrs: [UsageReportingRule(id: 1)], location: "test")
  }
}

/// A user plane between two memory ports, with the test at their other ends.
final class TestNode {
  let plane: UserPlane
  let registry = PuppetRegistry()
  let access: [MemoryPort]
  let core: [MemoryPort]
  private(set) var toAccess: [Delivery] = []
  private(set) var toCore: [Delivery] = []
  private(set) var injected: UInt64 = 0
  private(set) var injectedBytes: UInt64 = 0

  init(
    _ sessions: [SessionSpecification] = [Site.session()], workers: Int = 1,
    limits: RuleLimits = TestNode.smallLimits, handoverByteCount: Int = 1 << 20,
    portByteCount: Int = 1 << 20, buckets: BucketTable? = nil,
    registry custom: (any WorkerRegistry)? = nil
  ) throws {
    var seats: [WorkerSeat] = []
    var access: [MemoryPort] = []
    var core: [MemoryPort] = []
    for _ in 0..<workers {
      let doorbell = try Doorbell()
      let n3 = try MemoryPort(.n3, doorbell: doorbell, byteCount: portByteCount)
      let n6 = try MemoryPort(.n6, doorbell: doorbell, byteCount: portByteCount)
      access.append(n3)
      core.append(n6)
      seats.append(WorkerSeat(doorbell: doorbell, n3: .memory(n3), n6: .memory(n6)))
    }
    self.access = access
    self.core = core
    var options = UserPlaneOptions(seats: seats, n3Address: IPv4Address(rawValue: Site.n3))
    options.limits = limits
    options.handoverByteCount = handoverByteCount
    options.bucketTable = buckets
    plane = try UserPlane(options, sessions: sessions)
    try plane.start(custom ?? registry)
  }

  static var smallLimits: RuleLimits {
    var limits = RuleLimits()
    limits.sessions = 4096
    limits.qers = 4096
    limits.urrs = 4096
    return limits
  }

  /// Gives a datagram of an access node to a worker; waits while its ring is full.
  func fromAccess(
    _ bytes: [UInt8], worker: Int = 0, address: UInt32 = Site.gnb, port: UInt16 = 40_000
  ) {
    inject(bytes, access[worker], address, port)
  }

  /// Gives a packet of the data network to a worker; waits while its ring is full.
  func fromCore(_ bytes: [UInt8], worker: Int = 0) { inject(bytes, core[worker], 0, 0) }

  /// Gives a packet without telling the worker yet; false when there is no room.
  func enqueue(_ bytes: [UInt8], _ target: MemoryPort, address: UInt32 = 0, port: UInt16 = 0)
    -> Bool
  {
    var copy = bytes
    let isIn = unsafe copy.withUnsafeMutableBufferPointer { buffer in
      var packet = unsafe PacketBuffer()
      unsafe packet.bytes = buffer.baseAddress ?? UnsafeMutablePointer(bitPattern: 16)
      unsafe packet.length = UInt32(buffer.count)
      unsafe packet.address = address
      unsafe packet.port = port
      return unsafe target.inject(packet)
    }
    if isIn {
      injected += 1
      injectedBytes += UInt64(bytes.count)
    }
    return isIn
  }

  private func inject(_ bytes: [UInt8], _ target: MemoryPort, _ address: UInt32, _ port: UInt16) {
    _ = eventually {
      let isIn = enqueue(bytes, target, address: address, port: port)
      target.flush()
      if !isIn { drain() }
      return isIn
    }
  }

  /// Waits until everything that was given has a fate and has been sent, and collects what was.
  func settle() -> Bool {
    eventually {
      drain()
      let statistics = plane.statistics()
      let account = Account(statistics)
      let received = statistics.receivedN3.packets + statistics.receivedN6.packets
      return received == injected && account.inFlight == 0 && drain() == 0
    }
  }

  /// Collects what the workers have sent; returns how much that was.
  @discardableResult
  func drain() -> Int {
    access.reduce(0) { $0 + drain($1, into: &toAccess) }
      + core.reduce(0) { $0 + drain($1, into: &toCore) }
  }

  private func drain(_ port: MemoryPort, into list: inout [Delivery]) -> Int {
    var total = 0
    while true {
      let count = unsafe port.collect { packets in
        for index in packets.indices {
          let packet = unsafe packets[index]
          let bytes = unsafe UnsafeBufferPointer(start: packet.bytes, count: Int(packet.length))
          unsafe list.append(
            Delivery(bytes: Array(bytes), address: packet.address, port: packet.port))
        }
      }
      if count == 0 { return total }
      total += count
    }
  }

  /// Forgets what was collected.
  func forget() {
    toAccess = []
    toCore = []
  }

  /// How many packets ended in `fate`.
  func count(_ fate: PacketFate) -> UInt64 { plane.statistics()[fate].packets }
}
