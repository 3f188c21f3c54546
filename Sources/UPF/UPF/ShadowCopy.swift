internal import CHitless
internal import CUPF
internal import PacketIO

/// A copy of a batch in a piece of memory: what a run depends on, room for what it puts out, and last the packets'
/// bytes, so that only as much is moved as there is.
///
/// Threading: one thread's at a time.
@unsafe
struct ShadowCopy {
  /// What is known of the batch.
  struct Head: BitwiseCopyable {
    /// Sequence of the rule tables that it was copied with.
    var sequence: UInt64 = 0
    var now: UInt64 = 0
    var worker: UInt32 = 0
    var workerCount: UInt32 = 0
    var count: UInt32 = 0
    var bucketCount: UInt32 = 0
    /// Bytes of a bucket, which depend on the layout that stable has.
    var bucketSize: UInt32 = 0
    /// The slots of classify and qer; written by a run.
    var slots: (classify: UInt32, qer: UInt32) = (0, 0)
  }

  /// What the host itself makes of one verdict, without doing it; the header comes first.
  struct Settlement: BitwiseCopyable {
    var header: (UInt64, UInt64) = (0, 0)
    /// The URR that would measure the packet, and with how many bytes.
    var usage: (urr: UInt64, bytes: UInt64) = (0, 0)
    /// What the FAR says.
    var action: UInt8 = 0
    var hasHeader = false
    var hasUsage = false
  }

  let base: UnsafeMutableRawPointer

  var head: UnsafeMutablePointer<Head> { unsafe records(0) }
  var packets: UnsafeMutablePointer<upf_packet> { unsafe records(ShadowLayout.packetsAt) }
  /// Buckets with what was in them, each as an update has it.
  var buckets: UnsafeMutableRawPointer { unsafe base + ShadowLayout.bucketsAt }
  /// Verdicts when classify has returned, and in the end.
  var classified: UnsafeMutablePointer<upf_verdict> { unsafe records(ShadowLayout.classifiedAt) }
  var verdicts: UnsafeMutablePointer<upf_verdict> { unsafe records(ShadowLayout.verdictsAt) }
  var updates: UnsafeMutablePointer<upf_bucket_update> { unsafe records(ShadowLayout.updatesAt) }
  var settlements: UnsafeMutablePointer<Settlement> { unsafe records(ShadowLayout.settlementsAt) }
  var batch: UnsafeMutablePointer<upf_batch> { unsafe records(ShadowLayout.batchAt) }

  private func records<T>(_ offset: Int) -> UnsafeMutablePointer<T> {
    // SAFETY: each offset is a multiple of 8 and has room for as many records as there can be.
    unsafe (base + offset).assumingMemoryBound(to: T.self)
  }
}

extension ShadowCopy {
  /// Copies what a run of the batch depends on; returns how many bytes that are, 0 when it has more than fits.
  ///
  /// Buckets are those of all PDRs that may match, which the worker owns: nobody else writes to them. While some are
  /// on their way to another layout, nothing is copied.
  ///
  /// Threading: the worker's, on its packet path.
  func fill(from pipeline: UnsafePointer<PipelineBatch>) -> UInt64 {
    let count = unsafe pipeline.pointee.total
    let tables = unsafe pipeline.pointee.tables
    guard let live = unsafe pipeline.pointee.copiedBuckets else { return 0 }
    unsafe head.initialize(
      to: Head(
        sequence: tables.pointee.sequence, now: pipeline.pointee.batch.pointee.now,
        worker: pipeline.pointee.worker, workerCount: pipeline.pointee.workerCount,
        count: UInt32(truncatingIfNeeded: count), bucketSize: live.record_size))
    var offset = 0
    for index in 0..<count {
      let packet = unsafe pipeline.pointee.packets[index]
      let length = unsafe Int(packet.length)
      guard let bytes = unsafe packet.bytes, offset + length <= ShadowLayout.byteLimit else {
        return 0
      }
      unsafe packets[index] = packet
      unsafe (base + ShadowLayout.bytesAt + offset).copyMemory(from: bytes, byteCount: length)
      offset += length
      guard unsafe addBuckets(of: packet, tables, pipeline, live) else { return 0 }
    }
    return UInt64(ShadowLayout.bytesAt + offset)
  }

  /// Keeps the buckets that a packet may touch; false when there is no room.
  private func addBuckets(
    of packet: upf_packet, _ tables: UnsafePointer<RuleTablesView>,
    _ pipeline: UnsafePointer<PipelineBatch>, _ live: hitless_state_area
  ) -> Bool {
    guard let values = unsafe live.records else { return false }
    let size = unsafe Int(live.record_size)
    for index in unsafe tables.pointee.candidates(for: packet) {
      let pdr = unsafe tables.pointee.classify.pointee.pdrs[index]
      let isOwn = unsafe pdr.session % pipeline.pointee.workerCount == pipeline.pointee.worker
      guard isOwn, pdr.qer != UPF_NONE else { continue }
      let bucket = unsafe 2 * pdr.qer + UInt32(packet.direction & 1)
      let count = unsafe Int(head.pointee.bucketCount)
      let isKnown = (0..<count).contains { index in unsafe self.bucket(index) == bucket }
      if isKnown { continue }
      guard count < ShadowLayout.bucketLimit else { return false }
      let place = unsafe buckets + count * RecordRoom.updateStride
      unsafe place.storeBytes(of: bucket, as: UInt32.self)
      unsafe (place + RecordRoom.updateHead)
        .copyMemory(from: values + Int(bucket) * size, byteCount: size)
      unsafe head.pointee.bucketCount += 1
    }
    return true
  }

  /// The number of a bucket that was copied.
  func bucket(_ index: Int) -> UInt32 {
    unsafe buckets.load(fromByteOffset: index * RecordRoom.updateStride, as: UInt32.self)
  }

  /// Makes the packets point to their bytes in this copy, and the batch to everything else.
  func link() {
    var offset = 0
    for index in unsafe 0..<Int(head.pointee.count) {
      let bytes = unsafe base + ShadowLayout.bytesAt + offset
      unsafe packets[index].bytes = UnsafePointer(bytes.assumingMemoryBound(to: UInt8.self))
      offset += unsafe Int(packets[index].length)
    }
    var record = unsafe upf_batch()
    unsafe record.size = UInt32(MemoryLayout<upf_batch>.size)
    unsafe record.count = head.pointee.count
    unsafe record.now = head.pointee.now
    unsafe record.packets = UnsafePointer(packets)
    unsafe record.verdicts = verdicts
    unsafe record.updates = updates
    unsafe batch.initialize(to: record)
  }
}

/// Where the parts of a copy lie.
enum ShadowLayout {
  /// Buckets that a batch may touch: of batches with more than two PDRs with a QER for each packet there are none.
  static var bucketLimit: Int { 2 * packetLimit }
  /// Bytes of all packets together.
  static var byteLimit: Int { packetLimit * DevicePort.largestPacket }
  /// What a verdict has without the mark, which is the version's own.
  static var verdictSize: UInt64 { UInt64(MemoryLayout<upf_verdict>.size - 2) }
  /// Six outputs for each packet, and the buckets.
  static var outputLimit: UInt32 { 7 * UPF_BATCH_MAX }

  static var packetLimit: Int { Int(UPF_BATCH_MAX) }
  static var packetsAt: Int { 64 }
  static var bucketsAt: Int { unsafe packetsAt + packetLimit * MemoryLayout<upf_packet>.stride }
  static var classifiedAt: Int {
    unsafe bucketsAt + bucketLimit * RecordRoom.updateStride
  }
  static var verdictsAt: Int { classifiedAt + packetLimit * MemoryLayout<upf_verdict>.stride }
  static var updatesAt: Int { verdictsAt + packetLimit * MemoryLayout<upf_verdict>.stride }
  static var settlementsAt: Int {
    unsafe updatesAt + packetLimit * RecordRoom.updateStride
  }
  static var batchAt: Int {
    settlementsAt + packetLimit * MemoryLayout<ShadowCopy.Settlement>.stride
  }
  static var bytesAt: Int { unsafe (batchAt + MemoryLayout<upf_batch>.stride + 63) / 64 * 64 }
  /// Bytes of the largest copy.
  static var size: Int { bytesAt + byteLimit }
}
