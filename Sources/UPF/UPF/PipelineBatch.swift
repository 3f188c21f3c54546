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

  /// Splits the batch while some flows are a candidate's.
  let flows: FlowRoom
  /// Where buckets lie.
  let records: RecordRoom
  /// How many parts the batch has, and whether buckets move meanwhile.
  var partCount = 1
  var isMoving = false
  /// Which packets the candidate has, a bit for each.
  var sides: UInt32 = 0
  /// How many packets the batch has, also while modules see only a part of it.
  var total = 0

  var toCore: OutputList
  var toAccess: OutputList
  /// Which modules ran, for stable's packets and for the candidate's.
  var classifyModules: SidedModules
  var qerModules: SidedModules
  var invalidUpdates: UInt64 = 0

  /// Bytes of scratch for one packet.
  static let scratchStride = 16 + DevicePort.largestPacket

  /// How many packets the batch has.
  var count: Int {
    @inline(__always)
    get { unsafe Int(batch.pointee.count) }
  }

  /// Runs the batch on the generations of `view`; 0, or what kept it from reaching the commit point.
  @inline(__always)
  mutating func run(_ view: UnsafePointer<hitless_view>) -> Int32 {
    guard unsafe view.pointee.serving != nil else { return 1 }
    unsafe isMoving = areRecordsMoving(view)
    // A run that was left in the middle has not given back what it had used.
    if unsafe isMoving, let guarded = unsafe guarded { unsafe hitless_state_begin(guarded) }
    let status = unsafe runParts(view)
    if unsafe isMoving, let guarded = unsafe guarded { unsafe hitless_state_end(guarded) }
    return status
  }

  @inline(__always)
  private mutating func runParts(_ view: UnsafePointer<hitless_view>) -> Int32 {
    // A run that was left in the middle has left only a part of the batch to be seen.
    let count = unsafe total
    unsafe select(first: 0, count: count)
    unsafe begin()
    let parts = unsafe divide(view, among: count)
    unsafe placeRecords(view, parts)
    guard unsafe classify(parts, count) else { return 2 }
    if unsafe isMoving, unsafe !settleParts(view, count) { return 2 }
    return unsafe enforce(count)
  }

  /// Lets the modules of the first slot see the packets.
  @inline(__always)
  private mutating func classify(_ parts: Int, _ count: Int, paused: UInt64 = 0) -> Bool {
    unsafe noteModules(parts)
    let packets = unsafe packets
    unsafe shield?.raise(packets, count: count)
    if let guarded = unsafe guarded, paused != 0 { unsafe hitless_resume_guard(guarded, paused) }
    let isClassified = unsafe serve(parts, slot: classifySlot) { table, _ in
      let table = unsafe table.assumingMemoryBound(to: upf_classify_table.self)
      return unsafe table.pointee.process?(tables.pointee.classify, batch) != nil
    }
    if parts > 1 { unsafe select(first: 0, count: count) }
    if unsafe workerCount > 1 { unsafe steer() }
    return isClassified
  }

  /// While buckets move: puts packets where the version that serves them can use their buckets.
  ///
  /// What another version has classified is classified again, so that one generation has all of a packet.
  private mutating func settleParts(_ view: UnsafePointer<hitless_view>, _ count: Int) -> Bool {
    for round in 0..<recordRounds {
      let isLast = round == recordRounds - 1
      guard unsafe findRecords(view, isLast: isLast) else { return true }
      let packets = unsafe packets
      // A batch that was left with half of its packets in their new order could not be run again.
      let paused = unsafe guarded.map { unsafe hitless_pause_guard($0) } ?? 0
      unsafe shield?.lower(packets, count: count)
      let parts = unsafe divideByPlace(view, count)
      unsafe begin()
      guard unsafe classify(parts, count, paused: paused) else { return false }
    }
    return true
  }

  /// Lets the modules of the second slot see the packets, and applies what all of them have put out.
  @inline(__always)
  private mutating func enforce(_ count: Int) -> Int32 {
    let parts = unsafe partCount
    unsafe prefetchRecords()
    let isEnforced = unsafe serve(parts, slot: qerSlot) { table, part in
      let table = unsafe table.assumingMemoryBound(to: upf_qer_table.self)
      return unsafe table.pointee.process?(records.enforce + part, batch) != nil
    }
    if parts > 1 { unsafe select(first: 0, count: count) }
    let packets = unsafe packets
    unsafe shield?.lower(packets, count: count)
    guard isEnforced else { return 2 }
    if let guarded = unsafe guarded { unsafe hitless_commit(guarded) }
    unsafe commit()
    return 0
  }

  /// Remembers whose packets are counted under which build.
  @inline(__always)
  private mutating func noteModules(_ partCount: Int) {
    unsafe classifyModules = unsafe SidedModules()
    unsafe qerModules = unsafe SidedModules()
    for index in 0..<partCount {
      let part = unsafe flows.parts[index]
      guard let generation = unsafe part.generation, unsafe part.count > 0 else { continue }
      let isCandidate = unsafe sides >> part.first & 1 == 1
      unsafe classifyModules.note(generation.pointee.modules[Int(classifySlot)], isCandidate)
      unsafe qerModules.note(generation.pointee.modules[Int(qerSlot)], isCandidate)
    }
  }
}

/// The module of a slot on either side; one side only, unless a batch is split by flow.
@unsafe
struct SidedModules: BitwiseCopyable {
  var stable: UnsafePointer<hitless_module_info>?
  var candidate: UnsafePointer<hitless_module_info>?

  @inline(__always)
  mutating func note(_ module: UnsafePointer<hitless_module_info>?, _ isCandidate: Bool) {
    if isCandidate { unsafe candidate = module } else { unsafe stable = module }
  }
}
