internal import CUPF
internal import Refusal

/// What a FAR means to the packet path.
struct ForwardingRule: BitwiseCopyable {
  /// Where to.
  var action: UInt8 = 0
  /// Where the tunnel ends, in host byte order.
  var address: UInt32 = 0
  var port: UInt16 = 0
  /// The tunnel's header for an empty packet of QoS flow 0; length and QFI are filled in per packet.
  var header: (UInt64, UInt64) = (0, 0)

  static let drop: UInt8 = 0
  static let toCore: UInt8 = 1
  static let toAccess: UInt8 = 2
  /// Mandatory part, optional fields, and a container without options.
  static let headerSize = 16

  /// Stores the header of a packet of `length` bytes; nil: of QoS flow 0.
  @inline(__always)
  func storeHeader(at start: UnsafeMutableRawPointer, length: Int, qfi: UInt8?) {
    // SAFETY: the caller has room for `headerSize` bytes.
    unsafe start.storeBytes(of: header.0, as: UInt64.self)
    unsafe start.storeBytes(of: header.1, toByteOffset: 8, as: UInt64.self)
    // What the length field counts begins after the eight mandatory bytes.
    let counted = UInt16(truncatingIfNeeded: length + Self.headerSize - 8)
    unsafe start.storeBytes(of: counted.bigEndian, toByteOffset: 2, as: UInt16.self)
    if let qfi { unsafe start.storeBytes(of: qfi, toByteOffset: 14, as: UInt8.self) }
  }
}

/// One generation of rule tables as workers see it: plain pointers, nothing to count references to.
@unsafe
struct RuleTablesView: BitwiseCopyable {
  /// One higher than any tables before.
  var sequence: UInt64
  var classify: UnsafePointer<upf_pdr_tables>
  var enforce: UnsafePointer<upf_qer_tables>
  var fars: UnsafePointer<ForwardingRule>
  var farCount: UInt32
  /// Records that exist at all; a number below is safe to use as an index.
  var sessionCount: UInt32
  var urrCount: UInt32

  /// Whether a verdict names a PDR that there is, for this direction, and what that PDR names.
  @inline(__always)
  func agrees(with verdict: upf_verdict, _ direction: UInt8) -> Bool {
    guard unsafe verdict.pdr < classify.pointee.pdr_count else { return false }
    let pdr = unsafe classify.pointee.pdrs[Int(verdict.pdr)]
    return verdict.session == pdr.session && verdict.qer == pdr.qer && verdict.urr == pdr.urr
      && verdict.far == pdr.far && direction == pdr.direction
  }

  /// The PDRs of the key that a packet is known by.
  func candidates(for packet: upf_packet) -> Range<Int> {
    let isUplink = unsafe UInt32(packet.direction) == UPF_UPLINK
    let key: UInt64
    if isUplink {
      key = unsafe UInt64(packet.tunnel_address) << 32 | UInt64(packet.teid)
    } else {
      key = unsafe withUnsafeBytes(of: packet.destination) { bytes in
        unsafe packet.ip_version == 4
          ? UInt64(UInt32(bigEndian: bytes.load(as: UInt32.self)))
          : UInt64(bigEndian: bytes.load(as: UInt64.self))
      }
    }
    let tables = unsafe classify.pointee
    let entries = unsafe isUplink ? tables.uplink : tables.downlink
    let mask = unsafe isUplink ? tables.uplink_mask : tables.downlink_mask
    guard let entries = unsafe entries else { return 0..<0 }
    var index = upf_key_hash(key) & mask
    // At least one entry is empty.
    while unsafe entries[Int(index)].pdr_count > 0 {
      let entry = unsafe entries[Int(index)]
      if entry.key == key {
        return Int(entry.first_pdr)..<Int(entry.first_pdr) + Int(entry.pdr_count)
      }
      index = (index &+ 1) & mask
    }
    return 0..<0
  }
}

/// Rule tables, immutable from the day they are built; they own the memory behind their view.
///
/// Threading: any thread may hold them; they may only end when no worker can use the view.
@safe
final class RuleTables: @unchecked Sendable {
  /// How much there is of everything.
  struct Counts: Equatable, Sendable {
    var sessions = 0
    var pdrs = 0
    var filters = 0
    var fars = 0
    var qers = 0
    var urrs = 0
  }

  let counts: Counts
  /// What workers read.
  let view: UnsafePointer<RuleTablesView>
  private let memories: [ZeroedMemory]

  /// Copies the rules to memory of their own.
  init(_ rules: CompiledRules, sequence: UInt64, buckets: UnsafePointer<upf_bucket>) throws(Refusal)
  {
    counts = rules.counts
    let uplink = try Self.memory(rules.uplink.entries)
    let downlink = try Self.memory(rules.downlink.entries)
    let pdrs = try Self.memory(rules.pdrs)
    let filters = try Self.memory(rules.filters)
    let qers = try Self.memory(rules.qers)
    let fars = try Self.memory(rules.fars)
    var classify = unsafe upf_pdr_tables()
    unsafe classify.size = UInt32(MemoryLayout<upf_pdr_tables>.size)
    unsafe classify.pdr_count = UInt32(rules.pdrs.count)
    unsafe classify.filter_count = UInt32(rules.filters.count)
    unsafe classify.uplink_mask = rules.uplink.mask
    unsafe classify.downlink_mask = rules.downlink.mask
    unsafe classify.uplink = UnsafePointer(uplink.records())
    unsafe classify.downlink = UnsafePointer(downlink.records())
    unsafe classify.pdrs = UnsafePointer(pdrs.records())
    unsafe classify.filters = UnsafePointer(filters.records())
    let enforce = unsafe upf_qer_tables(
      size: UInt32(MemoryLayout<upf_qer_tables>.size), qer_count: UInt32(rules.qers.count),
      qers: UnsafePointer(qers.records()), buckets: buckets)
    let classifyHead = unsafe try Self.memory(one: classify)
    let qerHead = unsafe try Self.memory(one: enforce)
    let place = try unsafe Self.memory(
      one: RuleTablesView(
        sequence: sequence, classify: UnsafePointer(classifyHead.records()),
        enforce: UnsafePointer(qerHead.records()), fars: UnsafePointer(fars.records()),
        farCount: UInt32(rules.fars.count), sessionCount: rules.sessionEnd,
        urrCount: rules.urrEnd))
    unsafe view = UnsafePointer(place.records())
    memories = [uplink, downlink, pdrs, filters, qers, fars, classifyHead, qerHead, place]
  }

  private static func memory<T: BitwiseCopyable>(one value: T) throws(Refusal) -> ZeroedMemory {
    let memory = try ZeroedMemory(count: 1, stride: MemoryLayout<T>.stride)
    let record: UnsafeMutablePointer<T> = unsafe memory.records()
    unsafe record.initialize(to: value)
    return memory
  }

  private static func memory<T: BitwiseCopyable>(_ values: [T]) throws(Refusal) -> ZeroedMemory {
    let memory = try ZeroedMemory(count: values.count, stride: MemoryLayout<T>.stride)
    let records: UnsafeMutablePointer<T> = unsafe memory.records()
    // SAFETY: the memory has room for `count` records of T.
    unsafe values.withUnsafeBufferPointer { source in
      if let first = source.baseAddress {
        unsafe records.initialize(from: first, count: source.count)
      }
    }
    return memory
  }
}
