internal import CHitless
internal import CPlatform
internal import CUPF
internal import PacketIO

/// What happened in one batch beside the fates of its packets.
struct PendingCounts {
  var didRun = false
  var latencyBucket = 0
  var sentN3 = Traffic()
  var sentN6 = Traffic()
  var echoResponses: UInt64 = 0
  var errors: UInt64 = 0
  var errorsSuppressed: UInt64 = 0
  var notices: UInt64 = 0
  var noticesSuppressed: UInt64 = 0
  var repliesFailed: UInt64 = 0

  var hasReplies: Bool {
    echoResponses | errors | errorsSuppressed | notices | noticesSuppressed | repliesFailed != 0
  }
}

extension Worker {
  /// Counts the whole chunk in one step, as every reader sees it.
  func settle(_ chunk: Chunk) {
    counters.settle {
      for index in unsafe 0..<chunk.count { unsafe countPacket(chunk, index) }
      if unsafe pipeline.pointee.count > 0 { countBatch() }
      countPending()
    }
    pending = PendingCounts()
  }

  @inline(__always)
  private func countPacket(_ chunk: Chunk, _ index: Int) {
    let bytes = unsafe UInt64(chunk.packets[index].length)
    let source: Int
    if unsafe chunk.origins != nil {
      source = CounterIndex.takenOver
    } else {
      source =
        switch unsafe chunk.origin {
        case .n3: CounterIndex.receivedN3
        case .n6: CounterIndex.receivedN6
        }
    }
    count(1, bytes, at: source)
    unsafe count(1, bytes, at: CounterIndex.fates + 2 * Int(fates[index] & 63))
  }

  @inline(__always)
  private func count(_ packets: UInt64, _ bytes: UInt64, at cell: Int) {
    unsafe counters.cells.add(packets, to: cell)
    unsafe counters.cells.add(bytes, to: cell + 1)
  }

  /// Sessions, builds, marks and the time of a batch that went through the modules.
  private func countBatch() {
    for entry in unsafe 0..<pipeline.pointee.count { countSession(entry) }
    unsafe counters.cells.add(1, to: CounterIndex.latency + pending.latencyBucket)
    guard pending.didRun else { return }
    unsafe counters.cells.add(1, to: CounterIndex.batches)
    unsafe counters.cells.add(pipeline.pointee.invalidUpdates, to: CounterIndex.invalidUpdates)
    unsafe countBuilds(.classify, pipeline.pointee.classifyModules, &identified.0)
    unsafe countBuilds(.qer, pipeline.pointee.qerModules, &identified.1)
    countMarks()
  }

  @inline(__always)
  private func countSession(_ entry: Int) {
    let record = unsafe pipeline.pointee.entries[entry]
    guard record.session != UPF_NONE, record.fate != PacketFate.handedOver.rawValue else { return }
    // What could not be handed over is another worker's session: only its owner writes there.
    guard record.fate != PacketFate.handoverFull.rawValue else { return }
    let packet = unsafe pipeline.pointee.packets + entry
    let cells = unsafe state.session(record.session)
    let bytes = unsafe UInt64(packet.pointee.length)
    let direction = unsafe packet.pointee.direction
    let received = SessionRecord.received(direction)
    unsafe cells.add(1, to: received)
    unsafe cells.add(bytes, to: received + 1)
    let fate = PacketFate(rawValue: record.fate)
    let isForwarded =
      record.fate == PacketFate.forwardedToCore.rawValue
      || record.fate == PacketFate.forwardedToAccess.rawValue
    let end = isForwarded ? SessionRecord.sent(direction) : SessionRecord.dropped(fate)
    unsafe cells.add(1, to: end)
    unsafe cells.add(bytes, to: end + 1)
  }

  @inline(__always)
  private func countBuilds(
    _ slot: ModuleSlot, _ modules: SidedModules, _ identified: inout UInt64
  ) {
    let count = unsafe pipeline.pointee.count
    let candidates = unsafe pipeline.pointee.candidateCount
    unsafe countBuild(slot, modules.stable, count - candidates, &identified)
    unsafe countBuild(slot, modules.candidate, candidates, &identified)
  }

  private func countBuild(
    _ slot: ModuleSlot, _ module: UnsafePointer<hitless_module_info>?, _ packets: Int,
    _ identified: inout UInt64
  ) {
    guard let module = unsafe module else { return }
    let index = unsafe min(Int(module.pointee.ordinal), CounterIndex.buildLimit - 1)
    if identified & 1 << UInt64(index) == 0 {
      unsafe counters.identify(slot, index: index, as: module)
      identified |= 1 << UInt64(index)
    }
    let cell = CounterIndex.builds + 2 * (slot.rawValue * CounterIndex.buildLimit + index)
    count(UInt64(packets), 1, at: cell)
  }

  /// Counts runs of packets with the same mark.
  private func countMarks() {
    let total = unsafe pipeline.pointee.count
    var start = 0
    while start < total {
      let mark = unsafe pipeline.pointee.verdicts[start].qer_mark
      var end = start + 1
      while end < total, unsafe pipeline.pointee.verdicts[end].qer_mark == mark { end += 1 }
      let cell = CounterIndex.marks + 2 * place(ofMark: mark)
      unsafe counters.cells.add(UInt64(end - start), to: cell + 1)
      start = end
    }
  }

  /// The entry of a mark; marks beyond the table share its last one.
  private func place(ofMark mark: UInt16) -> Int {
    let key = UInt32(mark) + 1
    for index in 0..<markCount where unsafe markKeys[index] == key { return index }
    guard markCount < CounterIndex.markLimit - 1 else { return CounterIndex.markLimit - 1 }
    unsafe markKeys[markCount] = key
    unsafe counters.cells.set(UInt64(key), at: CounterIndex.marks + 2 * markCount)
    markCount += 1
    return markCount - 1
  }

  private func countPending() {
    count(pending.sentN3.packets, pending.sentN3.bytes, at: CounterIndex.sentN3)
    count(pending.sentN6.packets, pending.sentN6.bytes, at: CounterIndex.sentN6)
    guard pending.hasReplies else { return }
    unsafe counters.cells.add(pending.echoResponses, to: CounterIndex.echoResponsesSent)
    unsafe counters.cells.add(pending.errors, to: CounterIndex.errorIndicationsSent)
    unsafe counters.cells.add(
      pending.errorsSuppressed, to: CounterIndex.errorIndicationsSuppressed)
    unsafe counters.cells.add(pending.notices, to: CounterIndex.headerNoticesSent)
    unsafe counters.cells.add(
      pending.noticesSuppressed, to: CounterIndex.headerNoticesSuppressed)
    unsafe counters.cells.add(pending.repliesFailed, to: CounterIndex.repliesFailed)
  }
}
