internal import CUPF

/// One entry of the filter table to be, before it is shifted to its session.
struct FilterPlan {
  private var transport: UInt8?
  private var version: UInt8
  private var remote: IPPrefix?
  private var ue: IPPrefix?
  private var remotePorts: FlowDescription.Ports?
  private var uePorts: FlowDescription.Ports?
  /// The UE's own address, which differs from session to session.
  private var origin: UEAddress?

  /// Every combination of descriptions, their port ranges, the addresses that packets may come from and
  /// the IP versions they may have; none when nothing at all is asked for.
  static func all(
    _ descriptions: [FlowDescription], from origins: [UEAddress], versions: Set<UInt8>
  ) -> [FilterPlan] {
    if descriptions.isEmpty && origins.isEmpty { return [] }
    let flows = descriptions.isEmpty ? [FlowDescription()] : descriptions
    let sources: [UEAddress?] = origins.isEmpty ? [nil] : origins
    return flows.flatMap { flow in
      sources.flatMap { origin in
        versions.sorted().filter { $0 == origin?.version ?? $0 && $0 == flow.version ?? $0 }
          .flatMap { plans(flow, origin, $0) }
      }
    }
  }

  private static func plans(
    _ flow: FlowDescription, _ origin: UEAddress?, _ version: UInt8
  ) -> [FilterPlan] {
    let remotes: [FlowDescription.Ports?] = flow.remotePorts.isEmpty ? [nil] : flow.remotePorts
    let ues: [FlowDescription.Ports?] = flow.uePorts.isEmpty ? [nil] : flow.uePorts
    return remotes.flatMap { remotePorts in
      ues.map { uePorts in
        FilterPlan(
          transport: flow.transport, version: version, remote: flow.remote, ue: flow.ue,
          remotePorts: remotePorts, uePorts: uePorts,
          origin: origin)
      }
    }
  }

  /// The same filter for the session `number` places further on.
  func shifted(by number: UInt32) -> FilterPlan {
    var shifted = self
    switch origin {
    case .v4(let address): shifted.origin = .v4(address + number)
    case .v6(let prefix): shifted.origin = .v6(prefix + UInt64(number))
    case nil: break
    }
    return shifted
  }

  /// The entry as modules read it.
  var record: upf_filter {
    var filter = upf_filter()
    filter.ip_version = version
    if let transport {
      filter.flags |= UInt8(UPF_FILTER_PROTOCOL)
      filter.protocol = transport
    }
    if let remote {
      filter.remote = Self.bytes(remote.address)
      filter.remote_prefix = remote.length
    }
    if let ue {
      filter.ue = Self.bytes(ue.address)
      filter.ue_prefix = ue.length
    }
    if let ports = remotePorts {
      filter.flags |= UInt8(UPF_FILTER_REMOTE_PORT)
      (filter.remote_port_first, filter.remote_port_last) = (ports.lowerBound, ports.upperBound)
    }
    if let ports = uePorts {
      filter.flags |= UInt8(UPF_FILTER_UE_PORT)
      (filter.ue_port_first, filter.ue_port_last) = (ports.lowerBound, ports.upperBound)
    }
    narrow(&filter)
    return filter
  }

  /// The UE's own address is the narrower condition: it takes the place of a wider prefix.
  private func narrow(_ filter: inout upf_filter) {
    switch origin {
    case .v4(let address):
      filter.ue = Self.bytes(IPAddress(v4: address))
      filter.ue_prefix = 32
    case .v6(let prefix):
      filter.ue = Self.bytes(IPAddress(v6: prefix, 0))
      filter.ue_prefix = 64
    case nil: break
    }
  }

  typealias Bytes = (
    UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8,
    UInt8, UInt8, UInt8
  )

  private static func bytes(_ address: IPAddress) -> Bytes {
    // SAFETY: both are sixteen bytes without padding.
    unsafe unsafeBitCast((address.high.bigEndian, address.low.bigEndian), to: Bytes.self)
  }
}

extension FlowDescription {
  /// The IP version that its addresses ask for.
  fileprivate var version: UInt8? { (remote ?? ue)?.address.version }
}

extension UEAddress {
  /// 4 or 6.
  var version: UInt8 {
    switch self {
    case .v4: 4
    case .v6: 6
    }
  }
}
