// The `classify` module: finds the packet detection rule of every packet (TS 29.244, 5.2.1). It reads
// the host's tables and writes verdicts, nothing else; tables do not change under a batch.

/// Scratch for each packet of a batch: `UPF_BATCH_MAX` entries.
private typealias PerPacket<Element: BitwiseCopyable> = InlineArray<32, Element>

/// Classifies one batch.
///
/// Three passes, so that the cache misses of a batch overlap: keys, then entries, then rules. A packet
/// that is already dropped is left alone.
@section("hitless_patchable")
@safe @c(classify_process)
func process(_ tables: UnsafePointer<upf_pdr_tables>?, _ batch: UnsafeMutablePointer<upf_batch>?) {
  // SAFETY: the host hands in one table set and one batch, valid for the call.
  guard let tables = unsafe tables, let batch = unsafe batch else { return }
  let lookup = unsafe PDRTables(tables.pointee)
  let count = unsafe min(batch.pointee.count, UPF_BATCH_MAX)
  // SAFETY: as many packets and verdicts as the batch counts, and `index` is below.
  guard let packets = unsafe batch.pointee.packets, let verdicts = unsafe batch.pointee.verdicts
  else { return }
  var places = PerPacket(repeating: PDRTables.Place(key: 0, hash: 0))
  var ranges = PerPacket(repeating: PDRTables.Range(first: 0, count: 0))

  for index in 0..<Int(count) {
    places[index] = unsafe lookup.place(of: Flow(packets[index]))
  }
  for index in 0..<Int(count) {
    let isUplink = unsafe Flow(packets[index]).isUplink
    ranges[index] = lookup.rules(at: places[index], uplink: isUplink)
  }
  for index in 0..<Int(count) where unsafe verdicts[index].drop == 0 {
    let match = unsafe lookup.match(Flow(packets[index]), in: ranges[index])
    unsafe verdicts[index].record(match)
  }
}

extension upf_verdict {
  /// Writes down what was found.
  @inline(__always)
  fileprivate mutating func record(_ match: PDRTables.Match?) {
    guard let match else {
      drop = UInt16(UPF_DROP_NO_PDR)
      return
    }
    pdr = match.index
    session = match.pdr.session
    qer = match.pdr.qer
    urr = match.pdr.urr
    far = match.pdr.far
  }
}
