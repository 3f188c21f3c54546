internal import CHitless
internal import CPlatform
internal import CUPF
internal import PacketIO
internal import Refusal

/// Everything a worker needs for its batches, allocated once.
///
/// Threading: one worker's.
@safe
final class BatchMemory {
  private let memories: [ZeroedMemory]
  /// The batch, ready to be filled.
  let pipeline: UnsafeMutablePointer<PipelineBatch>

  init(
    slots: (classify: UInt32, qer: UInt32), worker: Int, workerCount: Int, state: StateStore,
    tables: UnsafePointer<RuleTablesView>, packetsAreReadOnly: Bool = false
  ) throws(Refusal) {
    let limit = Int(UPF_BATCH_MAX)
    let batch = try unsafe ZeroedMemory(count: 1, stride: MemoryLayout<upf_batch>.stride)
    let packets = try unsafe ZeroedMemory(count: limit, stride: MemoryLayout<upf_packet>.stride)
    let verdicts = try ZeroedMemory(count: limit, stride: MemoryLayout<upf_verdict>.stride)
    let updates = try unsafe ZeroedMemory(count: limit, stride: RecordRoom.updateStride)
    let entries = try ZeroedMemory(count: limit, stride: MemoryLayout<BatchEntry>.stride)
    let outputs = try unsafe ZeroedMemory(
      count: 2 * limit, stride: MemoryLayout<PacketBuffer>.stride)
    let outputEntries = try ZeroedMemory(count: 2 * limit, stride: 1)
    let scratch = try unsafe ZeroedMemory(count: limit, stride: PipelineBatch.scratchStride)
    let place = try unsafe ZeroedMemory(count: 1, stride: MemoryLayout<PipelineBatch>.stride)
    let copies = try unsafe ZeroedMemory(
      count: packetsAreReadOnly ? PacketShield.byteCount : 0, stride: 1)
    let originals = try ZeroedMemory(count: limit, stride: MemoryLayout<UInt>.stride)
    let flows = try FlowMemory(limit)
    let buckets = try RecordMemory(limit, table: state.bucketTable?.number)
    memories =
      [
        batch, packets, verdicts, updates, entries, outputs, outputEntries, scratch, place, copies,
        originals,
      ] + flows.memories + buckets.memories
    let record: UnsafeMutablePointer<upf_batch> = unsafe batch.records()
    unsafe record.pointee.size = UInt32(MemoryLayout<upf_batch>.size)
    unsafe record.pointee.packets = UnsafePointer(packets.records())
    unsafe record.pointee.verdicts = verdicts.records()
    unsafe record.pointee.updates = updates.records()
    let buffers: UnsafeMutablePointer<PacketBuffer> = unsafe outputs.records()
    let indices: UnsafeMutablePointer<UInt8> = unsafe outputEntries.records()
    let pipeline = unsafe place.base.assumingMemoryBound(to: PipelineBatch.self)
    unsafe pipeline.initialize(
      to: PipelineBatch(
        batch: record, packets: packets.records(), verdicts: verdicts.records(),
        updates: updates.records(), entries: entries.records(), scratch: scratch.base,
        classifySlot: slots.classify, qerSlot: slots.qer, worker: UInt32(worker),
        workerCount: UInt32(workerCount), sessions: state.sessions, usage: state.usage,
        buckets: state.buckets,
        tables: tables,
        shield: packetsAreReadOnly
          ? PacketShield(copies: copies.base, originals: originals.records()) : nil,
        flows: flows.room, records: buckets.room,
        toCore: OutputList(packets: buffers, entries: indices),
        toAccess: OutputList(packets: buffers + limit, entries: indices + limit),
        classifyModules: SidedModules(), qerModules: SidedModules()))
    unsafe self.pipeline = pipeline
  }
}

/// What splitting a batch by flow needs.
@safe
private struct FlowMemory {
  let memories: [ZeroedMemory]
  let room: FlowRoom

  init(_ limit: Int) throws(Refusal) {
    let hashes = try ZeroedMemory(count: limit, stride: 4)
    let order = try ZeroedMemory(count: limit, stride: 2)
    let parts = try unsafe ZeroedMemory(
      count: Int(HITLESS_PARTS), stride: MemoryLayout<hitless_part>.stride)
    let packets = try unsafe ZeroedMemory(count: limit, stride: MemoryLayout<upf_packet>.stride)
    let entries = try ZeroedMemory(count: limit, stride: MemoryLayout<BatchEntry>.stride)
    memories = [hashes, order, parts, packets, entries]
    unsafe room = FlowRoom(
      hashes: hashes.records(), order: order.records(), parts: parts.records(),
      packets: packets.records(), entries: entries.records())
  }
}

/// What finding buckets needs.
@safe
private struct RecordMemory {
  let memories: [ZeroedMemory]
  let room: RecordRoom

  init(_ limit: Int, table: UInt32?) throws(Refusal) {
    let parts = Int(HITLESS_PARTS)
    let enforce = try unsafe ZeroedMemory(
      count: parts, stride: MemoryLayout<upf_qer_tables>.stride)
    let places = try ZeroedMemory(count: parts, stride: 4)
    let areas = try unsafe ZeroedMemory(
      count: parts, stride: MemoryLayout<hitless_state_area>.stride)
    let packetPlaces = try ZeroedMemory(count: limit, stride: 4)
    let packetBuckets = try ZeroedMemory(count: limit, stride: 4)
    memories = [enforce, places, areas, packetPlaces, packetBuckets]
    unsafe room = RecordRoom(
      table: table, enforce: enforce.records(), places: places.records(), areas: areas.records(),
      packetPlaces: packetPlaces.records(), packetBuckets: packetBuckets.records())
  }
}

/// The host's batch function, as `hitless_run_batch` calls it.
let runPipeline: hitless_pipeline = { view, batch in
  guard let view = unsafe view, let batch = unsafe batch else { return 3 }
  return unsafe batch.assumingMemoryBound(to: PipelineBatch.self).pointee.run(view)
}
