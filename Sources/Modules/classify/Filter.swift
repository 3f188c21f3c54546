/// One SDF filter in place; fields are loaded when they are asked for, most packets need only a few.
@safe
struct Filter {
  private let pointer: UnsafePointer<upf_filter>

  /// Wraps the filter at `pointer`, which the host keeps as it is for the batch.
  @inline(always) @unsafe
  init(_ pointer: UnsafePointer<upf_filter>) {
    unsafe self.pointer = pointer
  }

  /// Returns whether the filter admits `packet`.
  ///
  /// Filters are written as the UE sees the world: "remote" is the data network's side.
  @inline(always)
  func admits(_ packet: Packet) -> Bool {
    let isUplink = packet.isUplink
    return admitsProtocol(packet)
      && admitsRemotePort(isUplink ? packet.destinationPort : packet.sourcePort)
      && admitsUEPort(isUplink ? packet.sourcePort : packet.destinationPort)
      && admitsRemote(isUplink ? packet.destination : packet.source)
      && admitsUE(isUplink ? packet.source : packet.destination)
  }

  // SAFETY, for all of these: the filter outlives the batch, and nobody writes to it meanwhile.

  @inline(always)
  private func has(_ flag: UInt32) -> Bool { unsafe UInt32(pointer.pointee.flags) & flag != 0 }

  @inline(always)
  private func admitsProtocol(_ packet: Packet) -> Bool {
    unsafe pointer.pointee.ip_version == packet.ipVersion
      && (!has(UPF_FILTER_PROTOCOL) || pointer.pointee.protocol == packet.transport)
  }

  @inline(always)
  private func admitsRemotePort(_ port: UInt16) -> Bool {
    unsafe !has(UPF_FILTER_REMOTE_PORT)
      || (pointer.pointee.remote_port_first <= port && port <= pointer.pointee.remote_port_last)
  }

  @inline(always)
  private func admitsUEPort(_ port: UInt16) -> Bool {
    unsafe !has(UPF_FILTER_UE_PORT)
      || (pointer.pointee.ue_port_first <= port && port <= pointer.pointee.ue_port_last)
  }

  /// A prefix that is longer than the address matches nothing.
  @inline(always)
  private func admitsRemote(_ address: Address) -> Bool {
    unsafe pointer.pointee.remote_prefix <= longestPrefix
      && Address(pointer.pointee.remote).matches(address, prefix: pointer.pointee.remote_prefix)
  }

  @inline(always)
  private func admitsUE(_ address: Address) -> Bool {
    unsafe pointer.pointee.ue_prefix <= longestPrefix
      && Address(pointer.pointee.ue).matches(address, prefix: pointer.pointee.ue_prefix)
  }

  @inline(always)
  private var longestPrefix: UInt8 { unsafe pointer.pointee.ip_version == 4 ? 32 : 128 }
}

extension Records where Layout == upf_filter {
  /// The filter at `index`, or nil when the host has none there.
  @inline(always)
  func filter(_ index: UInt32) -> Filter? {
    unsafe pointer(index).map { unsafe Filter($0) }
  }
}
