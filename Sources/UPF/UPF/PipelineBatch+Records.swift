internal import CHitless
internal import CPlatform
internal import CUPF
internal import Synchronization

/// Where a worker's batches find token buckets: in a state table of the agent's, where the host has one.
@unsafe
struct RecordRoom {
  /// Number of the state table; nil: buckets are where the rule tables say.
  let table: UInt32?
  /// By part of a batch: what the qer module gets, the place its buckets lie at, and where that is.
  let enforce: UnsafeMutablePointer<upf_qer_tables>
  let places: UnsafeMutablePointer<UInt32>
  let areas: UnsafeMutablePointer<hitless_state_area>
  /// By packet, while buckets move: where its bucket lies, and which one it is, or `UPF_NONE`.
  let packetPlaces: UnsafeMutablePointer<UInt32>
  let packetBuckets: UnsafeMutablePointer<UInt32>
  /// Bytes of the updates that one packet may make necessary.
  static let updateStride = Int(UPF_BUCKET_UPDATE_MAX)
  /// Where an update's new value begins.
  static let updateHead = 8
  /// Bytes of the largest bucket.
  static let largestBucket = updateStride - updateHead
}

extension PipelineBatch {
  /// Whether buckets may lie in more than one place in this view.
  @inline(__always)
  func areRecordsMoving(_ view: UnsafePointer<hitless_view>) -> Bool {
    guard let table = unsafe records.table, unsafe view.pointee.states != nil else { return false }
    return unsafe hitless_state_is_moving(view, table) != 0
  }

  /// Where all buckets lie, of which copies are made; nil while some are on their way.
  ///
  /// Ordering: acquire; pairs with the agent's publication. The view that is read may be newer than the one that this
  /// worker has reported, and is there all the same: the agent waits for this worker before it takes it back.
  var copiedBuckets: hitless_state_area? {
    guard let table = unsafe records.table else { return unsafe ownBuckets }
    guard let worker = unsafe guarded else { return nil }
    // SAFETY: the header fixes the offset, and an atomic word has the layout of the word.
    let word = unsafe (UnsafeRawPointer(worker) + 64).assumingMemoryBound(to: Atomic<UInt>.self)
    let view = unsafe UnsafePointer<hitless_view>(
      bitPattern: word.pointee.load(ordering: .acquiring))
    guard let view = unsafe view, unsafe view.pointee.states != nil else {
      return unsafe ownBuckets
    }
    guard unsafe hitless_state_is_moving(view, table) == 0 else { return nil }
    return unsafe hitless_state_area_at(view, table, placeOld)?.pointee
  }

  /// The host's own, where the agent keeps none.
  private var ownBuckets: hitless_state_area {
    unsafe hitless_state_area(
      records: buckets, schema: UPF_SCHEMA_BUCKET,
      record_size: UInt32(MemoryLayout<upf_bucket>.size))
  }

  /// Says where the buckets of every part lie, if nothing else is found out.
  @inline(__always)
  mutating func placeRecords(_ view: UnsafePointer<hitless_view>, _ parts: Int) {
    unsafe partCount = parts
    for index in 0..<parts {
      let generation = unsafe flows.parts[index].generation
      let isCandidate = unsafe generation != nil && generation == view.pointee.candidate
      unsafe place(index, view, at: isCandidate && isMoving ? placeNew : placeOld)
    }
  }

  /// Tells one part where its buckets lie.
  @inline(__always)
  private func place(_ part: Int, _ view: UnsafePointer<hitless_view>, at place: UInt32) {
    unsafe records.places[part] = place
    unsafe records.enforce[part] = tables.pointee.enforce.pointee
    guard let table = unsafe records.table, unsafe view.pointee.states != nil,
      let area = unsafe hitless_state_area_at(view, table, place)
    else {
      unsafe records.areas[part] = ownBuckets
      return
    }
    unsafe records.areas[part] = area.pointee
    unsafe records.enforce[part].buckets = UnsafePointer(
      area.pointee.records?.assumingMemoryBound(to: upf_bucket.self))
  }

  /// Finds the buckets of all packets, which stay where they are found until the batch is done; returns whether
  /// some lie where the version that has classified the packet cannot use them.
  ///
  /// On the `last` look those packets go no further: it takes a rule that is another one to each version.
  mutating func findRecords(_ view: UnsafePointer<hitless_view>, isLast: Bool) -> Bool {
    guard let worker = unsafe guarded, let table = unsafe records.table else { return false }
    let count = unsafe tables.pointee.enforce.pointee.qer_count
    var isElsewhere = false
    for part in unsafe 0..<partCount {
      let range = unsafe flows.parts[part]
      for index in unsafe Int(range.first)..<Int(range.first + range.count) {
        let side: UInt32 = unsafe sides >> UInt32(index) & 1
        unsafe records.packetPlaces[index] = records.places[part]
        unsafe records.packetBuckets[index] = UPF_NONE
        let verdict = unsafe verdicts[index]
        guard verdict.drop == 0, verdict.qer < count else { continue }
        let bucket = unsafe 2 * verdict.qer + UInt32(packets[index].direction & 1)
        let found = unsafe hitless_state_use(worker, view, table, UInt64(bucket), side)
        if found == UInt32(HITLESS_RECORD_NOWHERE) {
          unsafe verdicts[index].drop = dropForRecord
        } else if unsafe found != records.places[part] {
          isElsewhere = true
          unsafe records.packetPlaces[index] = found
          if isLast { unsafe verdicts[index].drop = dropForRecord }
        } else {
          unsafe records.packetBuckets[index] = bucket
        }
      }
    }
    return isElsewhere && !isLast
  }

  /// Puts packets into the order of the places that their buckets lie at, each part with the version that can
  /// use them; returns how many parts there are.
  mutating func divideByPlace(_ view: UnsafePointer<hitless_view>, _ count: Int) -> Int {
    var next = 0
    var parts = 0
    unsafe sides = 0
    for place in placeOld...UInt32(HITLESS_RECORD_BACK) {
      let first = next
      for index in 0..<count where unsafe records.packetPlaces[index] == place {
        unsafe flows.packets[next] = packets[index]
        unsafe flows.entries[next] = entries[index]
        next += 1
      }
      guard next > first else { continue }
      let generation = unsafe hitless_state_generation(view, place)
      unsafe flows.parts[parts] = unsafe hitless_part(
        generation: generation, first: UInt32(first), count: UInt32(next - first), is_timed: 0,
        reserved: 0)
      if unsafe generation == view.pointee.candidate {
        for packet in first..<next { unsafe sides |= 1 << UInt32(packet) }
      }
      unsafe self.place(parts, view, at: place)
      parts += 1
    }
    unsafe packets.update(from: flows.packets, count: count)
    unsafe entries.update(from: flows.entries, count: count)
    unsafe partCount = parts
    return parts
  }

  /// Applies what the qer modules put out: whole records, of whatever layout each of them has.
  @inline(__always)
  mutating func applyUpdates() {
    let bucketCount = unsafe 2 * tables.pointee.enforce.pointee.qer_count
    for part in unsafe 0..<partCount {
      let range = unsafe flows.parts[part]
      let all =
        unsafe partCount == 1 ? batch.pointee.update_count : UInt32(flows.order[Int(range.first)])
      let area = unsafe records.areas[part]
      guard let base = unsafe area.records else { continue }
      let size = unsafe Int(area.record_size)
      var update = unsafe UnsafeRawPointer(updates) + Int(range.first) * RecordRoom.updateStride
      let updateCount = unsafe range.count > 0 ? Int(min(all, UPF_BATCH_MAX)) : 0
      for _ in 0..<updateCount {
        let bucket = unsafe update.load(as: UInt32.self)
        let value = unsafe update + RecordRoom.updateHead
        if unsafe bucket < bucketCount && isHeld(bucket, in: range) {
          unsafe Self.store(value, at: base + Int(bucket) * size, size)
        } else {
          unsafe invalidUpdates &+= 1
        }
        unsafe update = value + size
      }
    }
  }

  /// Copies one bucket; of the first layout, which most have, without a call.
  @inline(__always)
  private static func store(
    _ value: UnsafeRawPointer, at target: UnsafeMutableRawPointer, _ size: Int
  ) {
    if size == MemoryLayout<upf_bucket>.size {
      unsafe target.storeBytes(of: value.load(as: upf_bucket.self), as: upf_bucket.self)
    } else {
      unsafe target.copyMemory(from: value, byteCount: size)
    }
  }

  /// Whether the batch holds the bucket for a packet of this part: while buckets move, others may be on their way.
  @inline(__always)
  private func isHeld(_ bucket: UInt32, in part: hitless_part) -> Bool {
    guard unsafe isMoving else { return true }
    return unsafe (Int(part.first)..<Int(part.first + part.count)).contains { index in
      unsafe records.packetBuckets[index] == bucket
    }
  }
}

/// A bucket stays where it was found, so that a second look finds all of them, unless the versions do not agree
/// on which bucket is a packet's.
let recordRounds = 3
private let placeOld = UInt32(HITLESS_RECORD_OLD)
private let placeNew = UInt32(HITLESS_RECORD_NEW)
/// The packet's bucket cannot be had by this batch.
let dropForRecord: UInt16 = 0x8001
