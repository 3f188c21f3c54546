internal import CHitless
internal import CPlatform
internal import CUPF
internal import PacketIO
internal import Platform

/// Packets that were received together and are worked on together; at most one batch.
@unsafe
struct Chunk {
  let packets: UnsafeMutablePointer<PacketBuffer>
  let count: Int
  /// One origin for all, or, for packets that were handed over, one for each.
  let origin: PacketOrigin
  let origins: UnsafePointer<UInt8>?

  @inline(__always)
  func origin(_ index: Int) -> PacketOrigin {
    guard let origins = unsafe origins else { return unsafe origin }
    return unsafe PacketOrigin(rawValue: origins[index]) ?? .n3
  }
}

extension Worker {
  /// Receives once from `port` and works on everything that came; returns how much that was.
  func serve(
    _ port: WorkerPort, _ origin: PacketOrigin, _ worker: UnsafeMutablePointer<hitless_worker>
  ) -> Int {
    let received = unsafe port.receive()
    guard let first = received.baseAddress else { return 0 }
    var start = 0
    while start < received.count {
      let count = min(received.count - start, Int(UPF_BATCH_MAX))
      let chunk = unsafe Chunk(
        packets: first + start, count: count, origin: origin, origins: nil)
      unsafe process(chunk, worker)
      start += count
    }
    port.release()
    return received.count
  }

  /// Works on one batch from every ring that has something.
  func serveRings(_ worker: UnsafeMutablePointer<hitless_worker>) -> Int {
    guard workerCount > 1, let first = unsafe takenOver.baseAddress else { return 0 }
    var total = 0
    for source in 0..<workerCount {
      guard let ring = rings.incoming[source] else { continue }
      let count = unsafe ring.take(into: takenOver, origins: origins)
      guard count > 0 else { continue }
      let chunk = unsafe Chunk(packets: first, count: count, origin: .n3, origins: origins)
      unsafe process(chunk, worker)
      ring.release()
      total += count
    }
    return total
  }

  /// Brings every packet of the chunk to its fate, and settles the counters.
  func process(_ chunk: Chunk, _ worker: UnsafeMutablePointer<hitless_worker>) {
    unsafe pipeline.pointee.tables = publisher.enter(index)
    unsafe pipeline.pointee.batch.pointee.count = 0
    now = MonotonicClock.now
    for index in unsafe 0..<chunk.count { unsafe admit(chunk, index) }
    let count = unsafe pipeline.pointee.count
    if count > 0 {
      unsafe pipeline.pointee.batch.pointee.now = now
      unsafe pipeline.pointee.total = count
      unsafe pipeline.pointee.guarded = worker
      unsafe pipeline.pointee.shield?.reset()
      let status = unsafe hitless_run_batch(worker, runPipeline, pipeline)
      let end = MonotonicClock.now
      pending.latencyBucket = LatencyHistogram.bucket(of: end &- now)
      pending.didRun = status == 0
      for entry in 0..<count { unsafe finish(entry, chunk) }
      if workerCount > 1 { unsafe handOver(chunk) }
      if status == 0 { transmit() }
    }
    if replies.count > 0 { pending.repliesFailed = UInt64(replies.send(through: n3)) }
    unsafe settle(chunk)
    if count > 0 { unsafe signals.report(pipeline, to: worker) }
  }

  /// Passes the fate of one packet of the batch on, and answers for tunnels that do not exist.
  @inline(__always)
  private func finish(_ entry: Int, _ chunk: Chunk) {
    let record = unsafe pipeline.pointee.entries[entry]
    unsafe fates[Int(record.source)] = record.fate
    if record.fate == PacketFate.unknownTunnel.rawValue {
      unsafe indicateError(
        teid: pipeline.pointee.packets[entry].teid, to: chunk.packets[Int(record.source)])
    }
  }

  /// Gives packets to the workers that own their sessions.
  private func handOver(_ chunk: Chunk) {
    var touched: UInt64 = 0
    for entry in unsafe 0..<pipeline.pointee.count {
      let record = unsafe pipeline.pointee.entries[entry]
      guard record.fate == PacketFate.handedOver.rawValue else { continue }
      let owner = Int(record.session % UInt32(workerCount))
      let source = Int(record.source)
      if let ring = rings.outgoing[owner],
        unsafe ring.push(chunk.packets[source], origin: chunk.origin(source))
      {
        touched |= 1 << UInt64(owner)
      } else {
        unsafe fates[source] = PacketFate.handoverFull.rawValue
        unsafe pipeline.pointee.entries[entry].fate = PacketFate.handoverFull.rawValue
      }
    }
    while touched != 0 {
      let owner = touched.trailingZeroBitCount
      touched &= touched - 1
      rings.outgoing[owner]?.publish()
      rings.doorbells[owner].ring()
    }
  }

  /// Sends what the pipeline put out; what a port does not take gets another fate.
  private func transmit() {
    if unsafe pipeline.pointee.toCore.count > 0 {
      pending.sentN6 = unsafe send(pipeline.pointee.toCore, n6, orElse: .sendFailedN6)
    }
    if unsafe pipeline.pointee.toAccess.count > 0 {
      pending.sentN3 = unsafe send(pipeline.pointee.toAccess, n3, orElse: .sendFailedN3)
    }
  }

  private func send(
    _ list: OutputList, _ port: WorkerPort, orElse failure: PacketFate
  ) -> Traffic {
    var sent = Traffic()
    var start = 0
    while unsafe start < list.count {
      let rest = unsafe UnsafeBufferPointer(
        start: list.packets + start, count: list.count - start)
      let result = unsafe port.send(rest)
      for index in start..<start + result.count {
        unsafe sent += Traffic(packets: 1, bytes: UInt64(list.packets[index].length))
      }
      start += result.count
      // Go on behind the one that was not taken; without a reason or progress, give up on it, too.
      if unsafe start < list.count, result.code != 0 || result.count == 0 {
        let entry = unsafe Int(list.entries[start])
        unsafe pipeline.pointee.entries[entry].fate = failure.rawValue
        unsafe fates[Int(pipeline.pointee.entries[entry].source)] = failure.rawValue
        start += 1
      }
    }
    return sent
  }
}
