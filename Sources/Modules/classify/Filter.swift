extension upf_filter {
  /// Returns whether the filter admits `flow`.
  ///
  /// Filters are written as the UE sees the world: uplink it is the source, downlink the destination.
  @inline(__always)
  func admits(_ flow: Flow) -> Bool {
    guard ip_version == flow.ipVersion,
      !has(UPF_FILTER_PROTOCOL) || `protocol` == flow.transport
    else { return false }
    let (uePort, remotePort) =
      flow.isUplink
      ? (flow.sourcePort, flow.destinationPort) : (flow.destinationPort, flow.sourcePort)
    return
      (!has(UPF_FILTER_REMOTE_PORT)
      || (remote_port_first <= remotePort && remotePort <= remote_port_last))
      && (!has(UPF_FILTER_UE_PORT) || (ue_port_first <= uePort && uePort <= ue_port_last))
      && admitsAddresses(of: flow)
  }

  @inline(__always)
  private func has(_ flag: UInt32) -> Bool { UInt32(flags) & flag != 0 }

  /// A prefix that is longer than the address matches nothing.
  @inline(__always)
  private func admitsAddresses(of flow: Flow) -> Bool {
    let longest: UInt8 = ip_version == 4 ? 32 : 128
    guard remote_prefix <= longest && ue_prefix <= longest else { return false }
    let (ueAddress, remoteAddress) =
      flow.isUplink ? (flow.source, flow.destination) : (flow.destination, flow.source)
    return Address(remote).matches(remoteAddress, prefix: remote_prefix)
      && Address(ue).matches(ueAddress, prefix: ue_prefix)
  }
}
