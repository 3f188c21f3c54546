/// Checks the module against known answers: a rule, a miss, a packet that is already dropped.
@safe @c(classify_selftest)
func selftest(
  _ services: UnsafePointer<hitless_host_services>?,
  _ vectors: UnsafePointer<hitless_selftest_vectors>?
) -> Int32 {
  // Version 1 of the interface defines no vectors, so whoever hands some in expects more.
  if let vectors = unsafe vectors, unsafe vectors.pointee.count != 0 { return 1 }
  let key = UInt64(0x0a00_0001) << 32 | 5
  let empty = upf_pdr_key()
  let entry = upf_pdr_key(key: key, first_pdr: 0, pdr_count: 1)
  let isFirst = upf_key_hash(key) & 1 == 0
  let verdicts = classified(entries: isFirst ? [entry, empty] : [empty, entry])
  let isRight =
    verdicts[0].session == 7 && verdicts[0].drop == 0
    && verdicts[1].drop == UInt16(UPF_DROP_NO_PDR)
    && verdicts[2].session == UPF_NONE && verdicts[2].drop == UInt16(UPF_DROP_FAR)
  return isRight ? 0 : 2
}

/// Returns the verdicts over a packet of TEID 5, one of TEID 6 and one that was dropped before, when
/// the only rule is of session 7.
private func classified(entries: InlineArray<2, upf_pdr_key>) -> InlineArray<3, upf_verdict> {
  var fresh = upf_verdict()
  fresh.session = UPF_NONE
  var dropped = fresh
  dropped.drop = UInt16(UPF_DROP_FAR)
  var verdicts: InlineArray<3, upf_verdict> = [fresh, fresh, dropped]
  var pdr = upf_pdr()
  pdr.session = 7
  var packet = unsafe upf_packet()
  unsafe packet.teid = 5
  unsafe packet.tunnel_address = 0x0a00_0001
  unsafe packet.ip_version = 4
  var packets = unsafe InlineArray<3, upf_packet>(repeating: packet)
  unsafe packets[1].teid = 6

  var tables = unsafe upf_pdr_tables()
  unsafe tables.pdr_count = 1
  unsafe tables.uplink_mask = 1
  var batch = unsafe upf_batch()
  unsafe batch.count = 3
  // SAFETY: the pointers are to locals and are used only inside the closures.
  unsafe withUnsafePointer(to: pdr) { pdr in
    unsafe entries.span.withUnsafeBufferPointer { entries in
      unsafe packets.span.withUnsafeBufferPointer { packets in
        var span = verdicts.mutableSpan
        unsafe span.withUnsafeMutableBufferPointer { verdicts in
          unsafe tables.uplink = entries.baseAddress
          unsafe tables.pdrs = pdr
          unsafe batch.packets = packets.baseAddress
          unsafe batch.verdicts = verdicts.baseAddress
          process(&tables, &batch)
        }
      }
    }
  }
  return verdicts
}
