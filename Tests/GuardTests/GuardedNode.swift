import Agent
import CHitless
import CPlatform
import CUPF
import DeltaEncoder
import Foundation
import GTPU
import Generator
import Glibc
import Guard
import HotSwap
import Journal
import PacketIO
import Refusal
import Signing
import Staging
import Synchronization
import TestSupport
import Testing
import UPF

/// A user plane whose modules an agent swaps, with the test at the other ends of its ports.
final class GuardedNode {
  let agent: Agent
  let directory: TemporaryDirectory
  private let state: String
  private static let count = Atomic<Int>(0)
  private let plane: UserPlane
  /// Must outlive the agent.
  private let copies: HandCopies?
  private let key: SigningKey
  private let access: [MemoryPort]
  private let core: [MemoryPort]
  private(set) var injected: UInt64 = 0
  private(set) var delivered: UInt64 = 0
  private var sequence: UInt64 = 1
  private var base: [UInt8]
  /// Packets by user and direction.
  private var book = [[UInt64]](repeating: [0, 0], count: Int(users))

  static let n3: UInt32 = 0x0a01_0001
  static let users: UInt32 = 8
  static let teid: UInt32 = 0x1000
  static let ue: UInt32 = 0x0a3c_0001
  private static let packetSize = 48

  /// What the next start comes up on: read from the device, not from the agent.
  func confirmedSet() throws -> ConfirmedSet {
    let bytes = try [UInt8](Data(contentsOf: URL(filePath: "\(state)/confirmed")))
    return try ConfirmedSet(parsing: bytes)
  }

  /// Comes up on what is on the device of the one `after` which it is.
  ///
  /// With `copies` shadows run those, and not the plane's. `beforeStart` gets the agent when all is defined.
  init(
    workers: Int, packetsAreReadOnly: Bool = false, qer: [UInt8]? = nil,
    after: GuardedNode? = nil, copies: HandCopies? = nil,
    _ change: (inout AgentOptions) -> Void = { _ in },
    beforeStart: (Agent) throws -> Void = { _ in }
  ) throws {
    Self.mapEmptyFile()
    directory = try TemporaryDirectory()
    key = try after?.key ?? SigningKey.generate()
    base = try qer ?? FaultyModule.image(1)
    // In memory where there is room: a disk would be waited for dozens of times in every test.
    let room = unsafe Glibc.access("/dev/shm", W_OK) == 0 ? "/dev/shm" : directory.path
    state =
      after?.state
      ?? "\(room)/hitless-guard-\(getpid())-\(Self.count.add(1, ordering: .relaxed).newValue)"
    var options = AgentOptions(stateDirectory: state)
    options.trustKeys = [try directory.write("vendor.pub", try key.publicKey.pem)]
    options.product = "upf"
    options.probe = try BuiltProduct.path("hitless-probe")
    options.graceTimeout = 10_000_000_000
    options.guarding.batchBudget = 100_000_000
    change(&options)
    agent = try Agent(options)
    try Self.defineSlots(agent, qer: try directory.write("qer.so", base))
    let buckets = try Self.defineBuckets(agent)
    (plane, access, core) = try Self.plane(workers, packetsAreReadOnly, buckets)
    self.copies = copies
    try agent.defineShadow(unsafe ShadowHost(copies?.options ?? plane.shadowOptions))
    try beforeStart(agent)
    try agent.start()
    try plane.start(AgentRegistry(agent: agent))
  }

  private static func defineSlots(_ agent: Agent, qer: String) throws {
    let slots = [
      ("classify", UPF_INTERFACE_CLASSIFY, try BuiltModules.path("classify", "1.0.1")),
      ("qer", UPF_INTERFACE_QER, qer),
    ]
    for (name, interface, module) in slots {
      let requirement = SlotRequirement(
        name: name, interfaceID: interface, interfaceVersion: UPF_INTERFACE_VERSION, tableSize: 16)
      _ = try agent.defineSlot(SlotOptions(requirement, module: module))
    }
  }

  private static let largestCount = 4096

  /// As upfd does.
  private static func defineBuckets(_ agent: Agent) throws -> BucketTable {
    let schemas = BucketTable.schemas.map { StateDefinition.Schema(id: $0.id, size: $0.size) }
    let number = try agent.defineStates(
      StateDefinition(name: "buckets", schemas: schemas, count: 2 * UInt64(largestCount)))
    return BucketTable(number: number) { try? agent.clearState(table: number, record: $0) }
  }

  private static func plane(
    _ workers: Int, _ packetsAreReadOnly: Bool, _ buckets: BucketTable
  ) throws -> (UserPlane, [MemoryPort], [MemoryPort]) {
    var seats: [WorkerSeat] = []
    var (access, core): ([MemoryPort], [MemoryPort]) = ([], [])
    for _ in 0..<workers {
      let doorbell = try Doorbell()
      let n3 = try MemoryPort(.n3, doorbell: doorbell)
      let n6 = try MemoryPort(.n6, doorbell: doorbell)
      access.append(n3)
      core.append(n6)
      seats.append(WorkerSeat(doorbell: doorbell, n3: .memory(n3), n6: .memory(n6)))
    }
    var options = UserPlaneOptions(seats: seats, n3Address: IPv4Address(rawValue: n3))
    options.packetsAreReadOnly = packetsAreReadOnly
    options.limits.sessions = largestCount
    options.limits.qers = largestCount
    options.limits.urrs = largestCount
    options.bucketTable = buckets
    return (try UserPlane(options, sessions: [session]), access, core)
  }

  private static var session: SessionSpecification {
    SessionSpecification(
      seid: 1, count: users,
      pdrs: [
        PacketDetectionRule(
          id: 1, precedence: 100, source: .access(teid: teid, address: nil, ue: []), far: 1,
          qer: 1, urr: 1),
        PacketDetectionRule(
          id: 2, precedence: 100, source: .core(ue: [.v4(ue)]), far: 2, qer: 1, urr: 1),
      ],
      fars: [
        ForwardingActionRule(id: 1, action: .toCore),
        ForwardingActionRule(
          id: 2, action: .toAccess(teid: 0x2000, address: 0x0a01_0002, port: 2152)),
      ],
      qers: [rule], urrs: [UsageReportingRule(id: 1)],
      location: "test")
  }

  /// Polices everything, and drops nothing.
  private static var rule: QoSEnforcementRule {
    let limit = QoSEnforcementRule.Limit(mbr: 1_000_000_000_000)
    return QoSEnforcementRule(id: 1, qfi: 9, uplink: limit, downlink: limit)
  }

  /// Where the fixtures find a page that is mapped and has no bytes behind it.
  private static func mapEmptyFile() { _ = emptyFile }
  private static let emptyFile: Bool = {
    let file = unsafe hitless_shim_memory_file("empty", Int32(HITLESS_SHIM_MEMORY_DEFAULT))
    let address = unsafe UnsafeMutableRawPointer(bitPattern: 0x2000_0000)
    let fixed = MAP_SHARED | 0x10_0000  // MAP_FIXED_NOREPLACE
    // SAFETY: nothing that is mapped already is replaced.
    let mapped = unsafe mmap(address, 4096, PROT_READ | PROT_WRITE, fixed, file, 0)
    return unsafe mapped == address
  }()

  /// Ends the node in order; what it has on the device is there for one that comes `after` it.
  func end() throws {
    try plane.stop()
    try agent.close()
  }

  deinit {
    try? plane.stop()
    try? agent.close()
    removeTree(state)
  }
}

extension GuardedNode {
  /// Installs a patch to `target` and returns its transaction.
  func install(_ target: [UInt8]) throws -> UInt64 {
    var request = PatchRequest(
      pairs: [
        PatchRequest.Pair(base: base, target: target, names: ("base", "target"))
      ],
      keys: [key])
    request.product = "upf"
    request.release = "r\(sequence)"
    request.sequence = sequence
    // What is tried here is not how small a patch is.
    request.effort = .quick
    sequence += 1
    return try agent.install(patch: try PatchBuilder.build(request).bytes)
  }

  /// Gives every worker packets in both directions; every one of them leaves the node again.
  ///
  /// `trigger` says which workers have a packet, in the middle, at which the candidate fails. It is one of a user of
  /// that worker's own: others' packets it hands over before a module decides about them.
  func load(rounds: Int = 20, trigger workers: [Int] = []) throws {
    for round in 0..<rounds {
      for worker in access.indices {
        for user in 0..<Self.users {
          let isTrigger =
            workers.contains(worker) && round == rounds / 2 && user == middleUser(of: worker)
          try inject(uplink(user, port: isTrigger ? 6666 : 5000), access[worker])
          try inject(downlink(user), core[worker])
          for direction in 0...1 { book[Int(user)][direction] += 1 }
        }
        access[worker].flush()
        core[worker].flush()
      }
      drain()
    }
  }

  /// Sessions go round the workers.
  private func middleUser(of worker: Int) -> UInt32 {
    let share = access.count
    return UInt32(Int(Self.users) / share / 2 * share + worker)
  }

  private func inject(_ bytes: [UInt8], _ port: MemoryPort) throws {
    let isIn = eventually(within: 60) {
      var copy = bytes
      let isIn = unsafe copy.withUnsafeMutableBufferPointer { buffer in
        var packet = unsafe PacketBuffer()
        unsafe packet.bytes = buffer.baseAddress
        unsafe packet.length = UInt32(buffer.count)
        return unsafe port.inject(packet)
      }
      if !isIn {
        port.flush()
        drain()
      }
      return isIn
    }
    try #require(isIn)
    injected += 1
  }

  /// Waits until everything has left the node, and checks that nothing is lost and nothing counted twice.
  func expectConservation(_ location: SourceLocation = #_sourceLocation) {
    let isSettled = eventually(within: 60) {
      drain()
      let account = plane.account()
      return delivered == injected && account.received.packets == injected && account.inFlight == 0
    }
    let statistics = plane.statistics()
    let account = plane.account()
    #expect(isSettled, "\(delivered) of \(injected), \(account)", sourceLocation: location)
    #expect(account.isBalanced && account.missing == 0, sourceLocation: location)
    #expect(account.forwarded.packets == injected, sourceLocation: location)
    // Every packet was marked by exactly one build, and every session has counted its own once.
    // A packet that is handed over has no mark until it is where it belongs.
    let marks = statistics.marks.filter { $0.key != 0xffff }.values.reduce(0, +)
    #expect(marks == injected, "\(statistics.marks)", sourceLocation: location)
    let sessions = plane.allSessions()
    #expect(sessions.isBalanced, sourceLocation: location)
    let received = sessions.received[0].packets + sessions.received[1].packets
    let sent = sessions.sent[0].packets + sessions.sent[1].packets
    #expect(received == injected && sent == injected, sourceLocation: location)
  }

  /// The audit log, after its chain was checked.
  func auditLines() throws -> [String] {
    let bytes = contents(of: "\(state)/audit.jsonl") ?? []
    _ = try AuditChain.verify(bytes, continued: false)
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// The directory of the agent's state.
  var stateDirectory: String { state }

  /// Packets by the version of qer that marked them.
  var marks: [UInt16: UInt64] { plane.statistics().marks }

  private func drain() {
    for port in access + core {
      while true {
        let count = unsafe port.collect { _ in }
        if count == 0 { break }
        delivered += UInt64(count)
      }
    }
  }

  private func uplink(_ user: UInt32, port: UInt16) -> [UInt8] {
    let inner = packet(from: Self.ue + user, to: 0x0808_0808, port: port)
    let header = GTPUHeader(
      .packet, teid: Self.teid + user, pduSession: PDUSessionContainer(.uplink, qfi: 9))
    return header.message(inner)
  }

  private func downlink(_ user: UInt32) -> [UInt8] {
    packet(from: 0x0808_0808, to: Self.ue + user, port: 5000)
  }

  private func packet(from source: UInt32, to destination: UInt32, port: UInt16) -> [UInt8] {
    [0x45, 0, 0, UInt8(Self.packetSize), 0, 0, 0, 0, 64, 17, 0, 0] + big(source) + big(destination)
      + big(UInt16(4000))
      + big(port) + [0, 28, 0, 0] + [UInt8](repeating: 7, count: 20)
  }

  private func big<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<T.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: value >> T(8 * $0)) }
  }
}

extension GuardedNode {
  /// Confirms the candidate made from `image`, to which the next patch is then.
  func confirm(_ number: UInt64, _ image: [UInt8]) throws {
    try agent.confirm(number)
    base = image
  }

  /// Checks buckets that the modules of Fixtures/records.c keep, sessions and URRs, packet by packet and byte by byte,
  /// against what was sent; all workers are quiet, and no bucket is on its way.
  ///
  /// Of the bucket that is left out one says what it must be instead.
  func expectBooks(
    except other: (user: Int, direction: Int, packets: UInt64)? = nil,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let buckets = try books()
    for (user, sent) in book.enumerated() {
      let seid = UInt64(user) + 1
      let session = try #require(plane.session(seid), sourceLocation: location)
      let usage = try #require(plane.usage(seid, urr: 1), sourceLocation: location)
      for (direction, sent) in sent.enumerated() {
        let isOther = other?.user == user && other?.direction == direction
        let (packets, bytes) = buckets[2 * user + direction]
        let expected = isOther ? other?.packets : sent
        #expect(packets == expected, "bucket of user \(user)", sourceLocation: location)
        #expect(bytes == packets * UInt64(Self.packetSize), sourceLocation: location)
        let measured = direction == 0 ? usage.uplink : usage.downlink
        #expect(measured.packets == sent, sourceLocation: location)
        #expect(measured.bytes == sent * UInt64(Self.packetSize), sourceLocation: location)
        #expect(session.sent[direction].packets == sent, sourceLocation: location)
      }
    }
  }

  /// What a bucket says.
  func bookedPackets(user: Int, direction: Int) throws -> UInt64 {
    try books()[2 * user + direction].packets
  }

  /// What the buckets of all users say, found as any worker finds them; the sign that one may have is left out.
  private func books() throws -> [(packets: UInt64, bytes: UInt64)] {
    let worker = unsafe try agent.registerWorker(name: "reader")
    defer { _ = try? unsafe agent.unregisterWorker(worker) }
    guard let table = unsafe hitless_enter(worker).pointee.states?.pointee.tables[0],
      unsafe Int(table.phase) == HITLESS_STATE_SETTLED, let records = unsafe table.areas.0.records
    else { throw Refusal(.state, "buckets are on their way") }
    let isFirst = unsafe table.areas.0.schema == UPF_SCHEMA_BUCKET
    return (0..<2 * Int(Self.users)).map { number in
      if isFirst {
        let record = unsafe records.assumingMemoryBound(to: upf_bucket.self)[number]
        return (record.tokens & ~(1 << 63), record.time)
      }
      let record = unsafe records.assumingMemoryBound(to: upf_bucket_2.self)[number]
      return (record.time & ~(1 << 63), record.passed)
    }
  }
}

/// Lets the user plane's workers register with the agent.
private struct AgentRegistry: WorkerRegistry {
  let agent: Agent

  func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker> {
    try unsafe agent.registerWorker(name: name)
  }

  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) {
    _ = try? unsafe agent.unregisterWorker(worker)
  }
}
