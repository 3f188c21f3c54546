internal import CHitless
internal import CPlatform
internal import CUPF
internal import PacketIO
internal import Refusal

/// Why a packet goes no further, beyond what modules say: it is another worker's.
let dropForHandover: UInt16 = 0x8000
/// No module has marked the packet.
let unmarked: UInt16 = 0xffff

/// What the host remembers of one packet of a batch.
struct BatchEntry: BitwiseCopyable {
  /// Position among the packets that were received together.
  var source: UInt8 = 0
  /// `PacketFate`.
  var fate: UInt8 = 0
  /// Bytes before the packet that may be overwritten.
  var headroom: UInt16 = 0
  /// The session, once it is known and checked.
  var session: UInt32 = 0
}

/// Packets to be sent through one port.
@unsafe
struct OutputList: BitwiseCopyable {
  let packets: UnsafeMutablePointer<PacketBuffer>
  /// Which entry of the batch each one is.
  let entries: UnsafeMutablePointer<UInt8>
  var count = 0

  @inline(__always)
  mutating func append(_ packet: PacketBuffer, entry: Int) {
    unsafe packets[count] = packet
    unsafe entries[count] = UInt8(truncatingIfNeeded: entry)
    unsafe count &+= 1
  }
}

/// One batch of a worker on its way through `classify → qer → urr → far`: memory, context, results.
///
/// Commit point: modules only fill `verdicts` and `updates`. Buckets, usage, packet bytes and the output
/// lists change in `commit`, after the last module has returned, so a batch that did not get there
/// can be run again. The guard leaves `run` in the middle then: until that point nothing in here holds what
/// would have to be given back.
///
/// Threading: one worker's.
@unsafe
struct PipelineBatch {
  let batch: UnsafeMutablePointer<upf_batch>
  let packets: UnsafeMutablePointer<upf_packet>
  let verdicts: UnsafeMutablePointer<upf_verdict>
  let updates: UnsafeMutablePointer<upf_bucket_update>
  let entries: UnsafeMutablePointer<BatchEntry>
  /// Room for packets that are encapsulated and have no room before them.
  let scratch: UnsafeMutableRawPointer
  let classifySlot: UInt32
  let qerSlot: UInt32
  let worker: UInt32
  let workerCount: UInt32
  let sessions: Cells
  let usage: Cells
  let buckets: UnsafeMutablePointer<upf_bucket>

  var tables: UnsafePointer<RuleTablesView>
  /// Whether packets of other workers' sessions are handed over, or dropped because it is too late.
  var mayHandOver = true

  /// Who runs the batch; told when the commit point is reached.
  var guarded: UnsafeMutablePointer<hitless_worker>?

  /// Keeps modules from writing to packets, where that is asked for.
  var shield: PacketShield?

  var toCore: OutputList
  var toAccess: OutputList
  /// Which modules ran.
  var classifyModule: UnsafePointer<hitless_module_info>?
  var qerModule: UnsafePointer<hitless_module_info>?
  var invalidUpdates: UInt64 = 0

  /// Bytes of scratch for one packet.
  static let scratchStride = 16 + DevicePort.largestPacket

  /// How many packets the batch has.
  var count: Int {
    @inline(__always)
    get { unsafe Int(batch.pointee.count) }
  }

  /// Runs the batch on the generation of `view`; 0, or what kept it from reaching the commit point.
  @inline(__always)
  mutating func run(_ view: UnsafePointer<hitless_view>) -> Int32 {
    guard let generation = unsafe view.pointee.serving else { return 1 }
    guard
      let classify = unsafe hitless_table(view, classifySlot)?
        .assumingMemoryBound(to: upf_classify_table.self).pointee.process,
      let enforce = unsafe hitless_table(view, qerSlot)?
        .assumingMemoryBound(to: upf_qer_table.self).pointee.process
    else { return 2 }
    unsafe begin()
    unsafe classifyModule = generation.pointee.modules[Int(classifySlot)]
    unsafe qerModule = generation.pointee.modules[Int(qerSlot)]
    let (packets, count) = unsafe (packets, count)
    unsafe shield?.raise(packets, count: count)
    unsafe classify(tables.pointee.classify, batch)
    if unsafe workerCount > 1 { unsafe steer() }
    unsafe prefetchRecords()
    unsafe enforce(tables.pointee.enforce, batch)
    unsafe shield?.lower(packets, count: count)
    if let guarded = unsafe guarded { unsafe hitless_commit(guarded) }
    unsafe commit()
    return 0
  }
}
