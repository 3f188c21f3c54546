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
