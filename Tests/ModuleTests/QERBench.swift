import CHitless
import CUPF
import TestSupport

/// Drives one version of `qer` as the host does: batches in, verdicts out, updates applied at the end.
struct QERBench {
  private let module: LoadedModule
  var qers: [upf_qer]
  private(set) var buckets: [upf_bucket]
  /// The updates of the last batch.
  private(set) var updates: [upf_bucket_update] = []

  /// One packet's part of a batch.
  struct Packet {
    var length: UInt32 = 1000
    var direction = UPF_UPLINK
    var rule: UInt32 = 0
    var drop: UInt16 = 0
  }

  init(_ version: String, _ qers: [upf_qer]) throws {
    module = try LoadedModule("qer", version)
    self.qers = qers
    buckets = [upf_bucket](repeating: upf_bucket(), count: 2 * qers.count)
  }

  mutating func setBucket(_ index: Int, tokens: UInt64, time: UInt64) {
    buckets[index] = upf_bucket(tokens: tokens, time: time)
  }

  /// Runs one batch and commits it.
  mutating func run(_ packets: [Packet], now: UInt64) -> [upf_verdict] {
    let verdicts = rehearse(packets, now: now)
    for update in updates { buckets[Int(update.bucket)] = update.value }
    return verdicts
  }

  /// Runs one batch and leaves the buckets as they were, as if it had been lost before its commit point.
  mutating func rehearse(_ packets: [Packet], now: UInt64) -> [upf_verdict] {
    let input = unsafe packets.map { packet in
      var raw = unsafe upf_packet()
      unsafe raw.length = packet.length
      unsafe raw.direction = UInt8(packet.direction)
      unsafe raw.ip_version = 4
      return unsafe raw
    }
    var verdicts = packets.map { packet in
      var verdict = upf_verdict()
      verdict.qer = packet.rule
      verdict.drop = packet.drop
      return verdict
    }
    var room = [upf_bucket_update](repeating: upf_bucket_update(), count: Int(UPF_BATCH_MAX))
    var count: UInt32 = 0
    // SAFETY: every pointer is to an array of this frame and is used during the call only.
    unsafe input.withUnsafeBufferPointer { input in
      unsafe verdicts.withUnsafeMutableBufferPointer { verdicts in
        unsafe room.withUnsafeMutableBufferPointer { room in
          var batch = unsafe upf_batch()
          unsafe batch.size = UInt32(MemoryLayout<upf_batch>.size)
          unsafe batch.count = UInt32(input.count)
          unsafe batch.now = now
          unsafe batch.packets = input.baseAddress
          unsafe batch.verdicts = verdicts.baseAddress
          unsafe batch.updates = room.baseAddress
          // The module must not rely on what an earlier batch left behind.
          unsafe batch.update_count = 77
          unsafe withUnsafeMutableBytes(of: &batch.update_index) { index -> Void in
            _ = unsafe index.initializeMemory(as: UInt8.self, repeating: 3)
          }
          unsafe call(&batch)
          count = unsafe batch.update_count
        }
      }
    }
    updates = Array(room[..<Int(count)])
    return verdicts
  }

  private func call(_ batch: UnsafeMutablePointer<upf_batch>) {
    // SAFETY: as above.
    unsafe qers.withUnsafeBufferPointer { qers in
      unsafe buckets.withUnsafeBufferPointer { buckets in
        var tables = unsafe upf_qer_tables()
        unsafe tables.size = UInt32(MemoryLayout<upf_qer_tables>.size)
        unsafe tables.qer_count = UInt32(qers.count)
        unsafe tables.qers = qers.baseAddress
        unsafe tables.buckets = buckets.baseAddress
        module.withTable(upf_qer_table.self) { table in
          unsafe table.process?(&tables, batch)
        }
      }
    }
  }
}

extension upf_qer {
  /// A rule with both directions alike.
  static func rule(mbr: UInt64 = 0, burst: UInt32 = 0) -> upf_qer {
    var rule = upf_qer()
    rule.mbr = (mbr, mbr)
    rule.burst = (burst, burst)
    return rule
  }

  /// A rule with these gates.
  static func gates(uplink: UInt32, downlink: UInt32) -> upf_qer {
    var rule = upf_qer()
    rule.gate = (UInt8(uplink), UInt8(downlink))
    return rule
  }
}
