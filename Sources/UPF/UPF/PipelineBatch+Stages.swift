internal import CPlatform
internal import CUPF
internal import PacketIO

extension PipelineBatch {
  /// Puts every output back to where a run starts.
  @inline(__always)
  mutating func begin() {
    let nothing = upf_verdict(
      pdr: UPF_NONE, session: UPF_NONE, qer: UPF_NONE, urr: UPF_NONE, far: UPF_NONE,
      drop: UInt16(UPF_DROP_NONE), qer_mark: unmarked)
    for index in unsafe 0..<count { unsafe verdicts[index] = nothing }
    unsafe batch.pointee.update_count = 0
    unsafe toCore.count = 0
    unsafe toAccess.count = 0
    unsafe invalidUpdates = 0
  }

  /// Marks packets of sessions that another worker owns, so that no module works on their records.
  mutating func steer() {
    for index in unsafe 0..<count {
      let session = unsafe verdicts[index].session
      guard unsafe verdicts[index].drop == 0, session != UPF_NONE else { continue }
      if unsafe session % workerCount != worker { unsafe verdicts[index].drop = dropForHandover }
    }
  }

  /// Starts loading what `commit` and the counters will touch, so that the cache misses of a batch
  /// overlap with each other and with the next module: a fifth of the time with a
  /// million sessions.
  @inline(__always)
  func prefetchRecords() {
    for index in unsafe 0..<count {
      let verdict = unsafe verdicts[index]
      guard verdict.drop == 0 else { continue }
      unsafe upf_prefetch_to_write(
        sessions.advanced(by: SessionRecord.cellCount &* Int(verdict.session)).address)
      unsafe upf_prefetch_to_write(
        usage.advanced(by: UsageRecord.cellCount &* Int(verdict.urr)).address)
      unsafe upf_prefetch_to_read(
        UnsafeRawPointer(tables.pointee.fars)
          + MemoryLayout<ForwardingRule>.stride &* Int(verdict.far))
    }
  }

  /// The commit point: applies what the modules put out, and the host's stages urr and far.
  @inline(__always)
  mutating func commit() {
    unsafe applyUpdates()
    for index in unsafe 0..<count {
      let fate = unsafe settleVerdict(index)
      unsafe entries[index].fate = fate.rawValue
    }
  }

  /// Decides about one packet; modules are believed only as far as the tables agree with them.
  @inline(__always)
  private mutating func settleVerdict(_ index: Int) -> PacketFate {
    let verdict = unsafe verdicts[index]
    unsafe entries[index].session = UPF_NONE
    if Int(verdict.drop) == UPF_DROP_NO_PDR { return unsafe missFate(index) }
    guard unsafe tables.pointee.agrees(with: verdict, packets[index].direction) else {
      return .invalidVerdict
    }
    unsafe entries[index].session = verdict.session
    switch Int(verdict.drop) {
    case UPF_DROP_NONE: return unsafe forward(index, verdict)
    case UPF_DROP_GATE_CLOSED: return .gateClosed
    case UPF_DROP_MBR_EXCEEDED: return .mbrExceeded
    case UPF_DROP_FAR: return .droppedByFAR
    case Int(dropForHandover) where unsafe verdict.session % workerCount != worker:
      return unsafe mayHandOver ? .handedOver : .handoverFull
    default: return .invalidVerdict
    }
  }

  /// Stages urr and far.
  @inline(__always)
  private mutating func forward(_ index: Int, _ verdict: upf_verdict) -> PacketFate {
    let packet = unsafe packets[index]
    let rule = unsafe tables.pointee.fars[Int(verdict.far)]
    guard rule.action != ForwardingRule.drop else { return .droppedByFAR }
    var buffer = unsafe PacketBuffer()
    unsafe buffer.bytes = UnsafeMutablePointer(mutating: packet.bytes)
    unsafe buffer.length = packet.length
    let fate: PacketFate
    if rule.action == ForwardingRule.toCore {
      unsafe toCore.append(buffer, entry: index)
      fate = .forwardedToCore
    } else {
      guard unsafe encapsulate(&buffer, index, rule, verdict.qer) else { return .tooLong }
      unsafe toAccess.append(buffer, entry: index)
      fate = .forwardedToAccess
    }
    if verdict.urr != UPF_NONE {
      let cells = unsafe usage.advanced(by: UsageRecord.cellCount * Int(verdict.urr))
      let cell = unsafe UsageRecord.measured(packet.direction)
      unsafe cells.add(1, to: cell)
      unsafe cells.add(UInt64(packet.length), to: cell + 1)
    }
    return fate
  }

  /// Puts the tunnel's header before the packet; false when it does not fit one datagram.
  @inline(__always)
  private func encapsulate(
    _ buffer: inout PacketBuffer, _ index: Int, _ rule: ForwardingRule, _ qer: UInt32
  ) -> Bool {
    let size = ForwardingRule.headerSize
    let length = unsafe Int(buffer.length)
    guard length + size <= largestUDPPayload, var bytes = unsafe buffer.bytes else { return false }
    if unsafe Int(entries[index].headroom) < size {
      guard length <= DevicePort.largestPacket else { return false }
      let place = unsafe scratch + index * Self.scratchStride + size
      unsafe place.copyMemory(from: bytes, byteCount: length)
      unsafe bytes = place.assumingMemoryBound(to: UInt8.self)
    }
    let start = unsafe UnsafeMutableRawPointer(bytes - size)
    let qfi =
      unsafe qer == UPF_NONE ? nil : tables.pointee.enforce.pointee.qers[Int(qer)].qfi
    unsafe rule.storeHeader(at: start, length: length, qfi: qfi)
    unsafe buffer.bytes = start.assumingMemoryBound(to: UInt8.self)
    unsafe buffer.length = UInt32(truncatingIfNeeded: length + size)
    unsafe buffer.address = rule.address
    unsafe buffer.port = rule.port
    return true
  }

  /// Tells a packet without a session from one whose session has no rule for it.
  private func missFate(_ index: Int) -> PacketFate {
    let packet = unsafe packets[index]
    let classify = unsafe tables.pointee.classify.pointee
    if unsafe UInt32(packet.direction) == UPF_UPLINK {
      let key = unsafe UInt64(packet.tunnel_address) << 32 | UInt64(packet.teid)
      return unsafe has(key, classify.uplink, classify.uplink_mask)
        ? .noMatchingPDR : .unknownTunnel
    }
    let key = unsafe withUnsafeBytes(of: packet.destination) { bytes in
      unsafe packet.ip_version == 4
        ? UInt64(UInt32(bigEndian: bytes.load(as: UInt32.self)))
        : UInt64(bigEndian: bytes.load(as: UInt64.self))
    }
    return unsafe has(key, classify.downlink, classify.downlink_mask) ? .noMatchingPDR : .unknownUE
  }

  private func has(_ key: UInt64, _ entries: UnsafePointer<upf_pdr_key>, _ mask: UInt32) -> Bool {
    var index = upf_key_hash(key) & mask
    while unsafe entries[Int(index)].pdr_count > 0 {
      if unsafe entries[Int(index)].key == key { return true }
      index = (index &+ 1) & mask
    }
    return false
  }
}

/// What fits an IPv4 datagram.
private let largestUDPPayload = 65_507
