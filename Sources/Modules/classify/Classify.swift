// The `classify` module: finds the packet detection rule of every packet (TS 29.244, 5.2.1). It reads
// the host's tables and writes verdicts, nothing else; tables do not change under a batch.

/// Classifies one batch.
///
/// Four passes, so that the cache misses of a batch overlap: keys, entries, rules, filters. A packet
/// that is already dropped is left alone.
@section("hitless_patchable")
@safe @c(classify_process)
func process(_ tables: UnsafePointer<upf_pdr_tables>?, _ batch: UnsafeMutablePointer<upf_batch>?) {
  // SAFETY: the host hands in one table set and one batch, valid for the call.
  guard let tables = unsafe tables, let batch = unsafe batch else { return }
  let lookup = unsafe PDRTables(tables.pointee)
  let count = unsafe Int(min(batch.pointee.count, UPF_BATCH_MAX))
  // SAFETY: as many packets and verdicts as the batch counts, and every index below is less.
  guard let packets = unsafe batch.pointee.packets, let verdicts = unsafe batch.pointee.verdicts
  else { return }
  // UPF_BATCH_MAX of each.
  var keys = InlineArray<32, UInt64>(repeating: 0)
  var hashes = InlineArray<32, UInt32>(repeating: 0)
  var ranges = InlineArray<32, PDRTables.Range>(repeating: .none)

  for index in 0..<count {
    let packet = unsafe Packet(packets + index)
    let key = packet.key
    let hash = upf_key_hash(key)
    keys[index] = key
    hashes[index] = hash
    lookup.prefetchEntry(hash, uplink: packet.isUplink)
  }
  for index in 0..<count {
    let packet = unsafe Packet(packets + index)
    ranges[index] = lookup.rules(for: packet, key: keys[index], hash: hashes[index])
  }
  for index in 0..<count {
    lookup.prefetchFilters(of: ranges[index])
  }
  for index in 0..<count {
    let packet = unsafe Packet(packets + index)
    if unsafe verdicts[index].drop != 0 { continue }
    let rule = lookup.match(packet, in: ranges[index])
    if let pdr = lookup.pdrs[rule] {
      unsafe verdicts[index].record(rule, pdr)
    } else {
      unsafe verdicts[index].drop = UInt16(UPF_DROP_NO_PDR)
    }
  }
}

extension upf_verdict {
  /// Writes down the rule that was found.
  @inline(always)
  fileprivate mutating func record(_ index: UInt32, _ rule: upf_pdr) {
    pdr = index
    session = rule.session
    qer = rule.qer
    urr = rule.urr
    far = rule.far
  }
}
