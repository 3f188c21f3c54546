internal import CUPF
internal import PacketIO
internal import Refusal

/// A session specification with its references resolved and its numbers checked: what is the same for
/// every session of a row.
struct SessionPlan {
  /// Which key table.
  enum Direction: UInt32 {
    case uplink = 0
    case downlink = 1
  }

  /// One PDR with the positions of its rules among the session's.
  struct Rule {
    let rule: PacketDetectionRule
    let far: Int
    let qer: Int?
    let urr: Int?
    let filters: [FilterPlan]
    /// Whether filters differ from session to session.
    let filtersNameUE: Bool
  }

  /// PDRs under one key.
  struct Group {
    let direction: Direction
    /// The key in the first session; each further session's is one higher.
    let key: UInt64
    var pdrs: [Int]

    /// The key as people write it.
    func name(_ number: UInt32) -> String {
      let value = key + UInt64(number)
      switch direction {
      case .uplink:
        let address = IPv4Address(rawValue: UInt32(value >> 32))
        return "\(hex(value & 0xffff_ffff)) at \(address)"
      case .downlink:
        if value >> 32 == 0 { return "\(IPv4Address(rawValue: UInt32(value)))" }
        return "\(IPAddress(v6: value, 0))/64"
      }
    }
  }

  let session: SessionSpecification
  private(set) var pdrs: [Rule] = []
  private(set) var groups: [Group] = []

  /// Checks the specification; PDRs without an address of their own get `n3Address`.
  init(_ session: SessionSpecification, n3Address: UInt32) throws(Refusal) {
    self.session = session
    guard session.count > 0 else { throw refusal("a row of no sessions") }
    guard session.seid <= UInt64.max - UInt64(session.count) else {
      throw refusal("SEIDs go beyond 64 bits")
    }
    try checkUnique("PDR", session.pdrs.map(\.id))
    try checkUnique("FAR", session.fars.map(\.id))
    try checkUnique("QER", session.qers.map(\.id))
    try checkUnique("URR", session.urrs.map(\.id))
    for far in session.fars { try check(far) }
    for qer in session.qers { try check(qer) }
    for rule in session.pdrs { try add(rule, n3Address) }
  }

  /// How many keys the whole row has in one table.
  func keyCount(_ direction: Direction) -> Int {
    groups.count { $0.direction == direction } * Int(session.count)
  }

  /// How many entries of the PDR table the whole row takes.
  var pdrCount: Int { groups.reduce(0) { $0 + $1.pdrs.count } * Int(session.count) }

  /// An error of this session.
  func refusal(_ message: String) -> Refusal {
    Refusal(.format, "session \(hex(session.seid)): \(message)", at: session.location)
  }

  private func checkUnique(_ kind: String, _ ids: [UInt32]) throws(Refusal) {
    var seen: Set<UInt32> = []
    for id in ids where !seen.insert(id).inserted {
      throw refusal("\(kind) \(id) is there twice")
    }
  }

  private func check(_ far: ForwardingActionRule) throws(Refusal) {
    guard case .toAccess(let teid, _, let port) = far.action else { return }
    guard teid > 0, UInt64(teid) + UInt64(session.count) - 1 <= UInt64(UInt32.max) else {
      throw refusal("FAR \(far.id): TEIDs are 1 to 0xffffffff, found \(hex(teid)) and on")
    }
    guard port > 0 else { throw refusal("FAR \(far.id): port 0 cannot be sent to") }
  }

  private func check(_ qer: QoSEnforcementRule) throws(Refusal) {
    guard qer.qfi <= 63 else { throw refusal("QER \(qer.id): a QFI is at most 63") }
    for limit in [qer.uplink, qer.downlink] {
      guard limit.mbr <= RuleLimits.largestRate else {
        throw refusal("QER \(qer.id): a rate is at most \(RuleLimits.largestRate) bit/s")
      }
      guard limit.burst <= RuleLimits.largestBurst, limit.mbr == 0 || limit.burst > 0 else {
        throw refusal("QER \(qer.id): a burst is 1 to \(RuleLimits.largestBurst) bytes")
      }
    }
  }

  private mutating func add(
    _ rule: PacketDetectionRule, _ n3Address: UInt32
  ) throws(Refusal) {
    guard rule.qfi <= 63 else { throw refusal("PDR \(rule.id): a QFI is at most 63") }
    guard let far = session.fars.firstIndex(where: { $0.id == rule.far }) else {
      throw refusal("PDR \(rule.id) names FAR \(rule.far), which is not there")
    }
    let qer = rule.qer.map { id in session.qers.firstIndex { $0.id == id } }
    if case .some(nil) = qer {
      throw refusal("PDR \(rule.id) names QER \(rule.qer ?? 0), which is not there")
    }
    let urr = rule.urr.map { id in session.urrs.firstIndex { $0.id == id } }
    if case .some(nil) = urr {
      throw refusal("PDR \(rule.id) names URR \(rule.urr ?? 0), which is not there")
    }
    let (keys, origins) = try keys(of: rule, n3Address)
    let filters = FilterPlan.all(rule.filters, from: origins, versions: rule.source.versions)
    guard !filters.isEmpty || (rule.filters.isEmpty && origins.isEmpty) else {
      throw refusal("PDR \(rule.id): no filter is for an IP version that its UE addresses have")
    }
    let position = pdrs.count
    pdrs.append(
      Rule(
        rule: rule, far: far, qer: qer ?? nil, urr: urr ?? nil, filters: filters,
        filtersNameUE: !origins.isEmpty))
    for (direction, key) in keys {
      if let group = groups.firstIndex(where: { $0.direction == direction && $0.key == key }) {
        groups[group].pdrs.append(position)
      } else {
        groups.append(Group(direction: direction, key: key, pdrs: [position]))
      }
    }
  }

  /// Under which keys the rule is found, and which UE addresses its uplink packets must come from.
  private func keys(
    of rule: PacketDetectionRule, _ n3Address: UInt32
  ) throws(Refusal) -> ([(Direction, UInt64)], [UEAddress]) {
    switch rule.source {
    case .access(let teid, let address, let origins):
      guard teid > 0, UInt64(teid) + UInt64(session.count) - 1 <= UInt64(UInt32.max) else {
        throw refusal("PDR \(rule.id): TEIDs are 1 to 0xffffffff, found \(hex(teid)) and on")
      }
      for origin in origins { try check(origin, rule.id) }
      return ([(.uplink, UInt64(address ?? n3Address) << 32 | UInt64(teid))], origins)
    case .core(let addresses):
      guard !addresses.isEmpty else {
        throw refusal("PDR \(rule.id) is for downlink packets and has no UE address")
      }
      for address in addresses { try check(address, rule.id) }
      return (addresses.map { (.downlink, $0.key) }, [])
    }
  }

  private func check(_ address: UEAddress, _ id: UInt32) throws(Refusal) {
    switch address {
    case .v4(let number):
      guard number > 0, UInt64(number) + UInt64(session.count) - 1 <= UInt64(UInt32.max) else {
        throw refusal("PDR \(id): UE addresses go beyond 255.255.255.255")
      }
    case .v6(let prefix):
      // A smaller prefix would be taken for an IPv4 address by the key table.
      guard prefix >> 32 != 0, prefix <= UInt64.max - UInt64(session.count) else {
        throw refusal("PDR \(id): an IPv6 UE prefix must lie in 0:1::/32 or above")
      }
    }
  }
}

extension UEAddress {
  /// The key of the downlink table.
  var key: UInt64 {
    switch self {
    case .v4(let number): UInt64(number)
    case .v6(let prefix): prefix
    }
  }
}

extension PacketDetectionRule.Source {
  /// The IP versions that packets of this source can have.
  fileprivate var versions: Set<UInt8> {
    switch self {
    case .access(_, _, let ue) where ue.isEmpty: [4, 6]
    case .access(_, _, let ue), .core(let ue): Set(ue.map(\.version))
    }
  }
}
