internal import CHitless
internal import CPlatform
internal import CUPF

/// Room for splitting a batch by flow, for one worker.
@unsafe
struct FlowRoom {
  /// What each packet's flow is known by.
  let hashes: UnsafeMutablePointer<UInt32>
  /// The order of packets that the parts make.
  let order: UnsafeMutablePointer<UInt16>
  let parts: UnsafeMutablePointer<hitless_part>
  let packets: UnsafeMutablePointer<upf_packet>
  let entries: UnsafeMutablePointer<BatchEntry>
}

extension PipelineBatch {
  /// Decides which generation serves which packets; returns how many parts the batch has.
  ///
  /// While the view gives some flows to the candidate, packets are put into the order of the parts; those
  /// of one flow stay in the order in which they came. That is done before anything of a module runs, so that a
  /// batch that is left in the middle has all of it behind it or nothing.
  @inline(__always)
  mutating func divide(_ view: UnsafePointer<hitless_view>, among count: Int) -> Int {
    let share = unsafe view.pointee.share
    guard unsafe view.pointee.candidate != nil, share > 0, share < HITLESS_SHARE_ALL,
      let worker = unsafe guarded
    else { return unsafe serveWhole(view, count) }
    return unsafe divideByFlow(view, count, worker)
  }

  /// One part, all of which the view's serving generation has.
  @inline(__always)
  private mutating func serveWhole(_ view: UnsafePointer<hitless_view>, _ count: Int) -> Int {
    let generation = unsafe view.pointee.serving
    unsafe flows.parts[0] = unsafe hitless_part(
      generation: generation, first: 0, count: UInt32(count), is_timed: 1, reserved: 0)
    let isCandidate = unsafe generation != nil && generation == view.pointee.candidate
    unsafe sides = isCandidate ? .max : 0
    return 1
  }

  private mutating func divideByFlow(
    _ view: UnsafePointer<hitless_view>, _ count: Int,
    _ worker: UnsafeMutablePointer<hitless_worker>
  ) -> Int {
    for index in 0..<count { unsafe flows.hashes[index] = Self.flowHash(packets[index]) }
    let partCount = unsafe hitless_split(
      worker, view, flows.hashes, UInt32(count), flows.order, flows.parts)
    for index in 0..<count {
      let source = unsafe Int(flows.order[index])
      unsafe flows.packets[index] = packets[source]
      unsafe flows.entries[index] = entries[source]
    }
    unsafe packets.update(from: flows.packets, count: count)
    unsafe entries.update(from: flows.entries, count: count)
    unsafe sides = 0
    for index in 0..<Int(partCount) {
      let part = unsafe flows.parts[index]
      guard unsafe part.generation == view.pointee.candidate else { continue }
      for packet in unsafe part.first..<part.first + part.count { unsafe sides |= 1 << packet }
    }
    return Int(partCount)
  }

  /// What a packet's flow is known by: its UE's address, the same in both directions.
  ///
  /// Not the tunnel, of which a packet from the core knows nothing yet. Of an IPv6 address the prefix,
  /// which is what a UE is given.
  private static func flowHash(_ packet: upf_packet) -> UInt32 {
    let isUplink = unsafe UInt32(packet.direction) == UPF_UPLINK
    let isShort = unsafe packet.ip_version == 4
    let address = unsafe isUplink ? packet.source : packet.destination
    let key = unsafe withUnsafeBytes(of: address) { bytes in
      isShort
        ? UInt64(unsafe bytes.loadUnaligned(as: UInt32.self))
        : unsafe bytes.loadUnaligned(as: UInt64.self)
    }
    return upf_key_hash(key)
  }

  /// How many packets of the batch were the candidate's.
  var candidateCount: Int {
    @inline(__always)
    get {
      let mask = unsafe total < 32 ? UInt32(1) << UInt32(total) &- 1 : .max
      return unsafe (sides & mask).nonzeroBitCount
    }
  }

  /// Lets the modules see one part of the batch only, without what others have put out.
  @inline(__always)
  func select(first: Int, count: Int) {
    unsafe batch.pointee.count = UInt32(truncatingIfNeeded: count)
    unsafe batch.pointee.packets = UnsafePointer(packets + first)
    unsafe batch.pointee.verdicts = unsafe verdicts + first
    // SAFETY: there is room for the largest update of each packet.
    unsafe batch.pointee.updates =
      (UnsafeMutableRawPointer(updates) + first * RecordRoom.updateStride)
      .assumingMemoryBound(to: upf_bucket_update.self)
    unsafe batch.pointee.update_count = 0
  }

  /// Calls the modules of one slot, each for its part; false when one has no function there.
  @inline(__always)
  func serve(
    _ partCount: Int, slot: UInt32,
    _ call: (_ table: UnsafeRawPointer, _ part: Int) -> Bool
  ) -> Bool {
    for index in 0..<partCount {
      let part = unsafe flows.parts[index]
      guard unsafe part.count > 0 else { continue }
      guard let generation = unsafe part.generation,
        let table = unsafe hitless_generation_table(generation, slot)
      else { return false }
      if partCount > 1 { unsafe select(first: Int(part.first), count: Int(part.count)) }
      let begin = unsafe guarded.map { unsafe hitless_slot_begin($0) } ?? 0
      guard unsafe call(table, index) else { return false }
      if begin != 0, unsafe part.is_timed != 0, let worker = unsafe guarded {
        let side: UInt32 = unsafe sides >> part.first & 1
        unsafe hitless_slot_end(worker, side, slot, begin)
      }
      if partCount > 1 { unsafe keepUpdates(of: part) }
    }
    return true
  }

  /// Notes how many updates a part has put out, in the place of its first packet's order.
  @inline(__always)
  private func keepUpdates(of part: hitless_part) {
    let count = unsafe min(batch.pointee.update_count, part.count)
    unsafe flows.order[Int(part.first)] = UInt16(truncatingIfNeeded: count)
  }
}
