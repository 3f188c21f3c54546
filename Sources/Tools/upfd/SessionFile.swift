internal import PacketIO
internal import Platform
internal import Refusal
internal import UPF

/// Reads sessions from a YAML file with the names of TS 29.244; docs/upf.md describes it.
enum SessionFile {
  /// Largest file that is read.
  static let sizeLimit = 256 << 20

  /// Reads and checks the form of the file; whether the rules make sense is the user plane's to say.
  static func read(_ path: String) throws(Refusal) -> [SessionSpecification] {
    let bytes = try RegularFile.read(path, limit: sizeLimit)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Refusal(.format, "'\(path)' is not UTF-8 text", at: path)
    }
    let root = try YAMLValue.root(of: text, file: path).entries(["sessions"])
    var sessions: [SessionSpecification] = []
    for item in try root.required("sessions").items() { sessions.append(try session(item)) }
    return sessions
  }

  private static func session(_ value: YAMLValue) throws(Refusal) -> SessionSpecification {
    let entries = try value.entries(["seid", "count", "pdrs", "fars", "qers", "urrs"])
    var session = SessionSpecification(
      seid: try entries.required("seid").number(), pdrs: [], fars: [], location: value.location)
    if let count = entries.optional("count") { session.count = try count.number() }
    for item in try entries.required("pdrs").items() { session.pdrs.append(try pdr(item)) }
    for item in try entries.required("fars").items() { session.fars.append(try far(item)) }
    for item in try entries.list("qers") { session.qers.append(try qer(item)) }
    for item in try entries.list("urrs") { session.urrs.append(try urr(item)) }
    return session
  }

  private static func pdr(_ value: YAMLValue) throws(Refusal) -> PacketDetectionRule {
    let entries = try value.entries(["id", "precedence", "pdi", "far", "qer", "urr"])
    let pdi = try entries.required("pdi")
    let information = try pdi.entries(["source_interface", "f_teid", "ue_ip", "qfi", "sdf_filters"])
    var rule = PacketDetectionRule(
      id: try entries.required("id").number(),
      precedence: try entries.required("precedence").number(),
      source: try source(information), far: try entries.required("far").number())
    if let qfi = information.optional("qfi") { rule.qfi = try qfi.number(upTo: 63) }
    for item in try information.list("sdf_filters") {
      let text = try item.text()
      do throws(Refusal) {
        rule.filters.append(try FlowDescription(parsing: text))
      } catch {
        throw Refusal(
          error.kind, item.refusal(error.message).message, at: item.location, hint: error.hint)
      }
    }
    if let qer = entries.optional("qer") { rule.qer = try qer.number() }
    if let urr = entries.optional("urr") { rule.urr = try urr.number() }
    return rule
  }

  private static func source(
    _ information: YAMLEntries
  ) throws(Refusal) -> PacketDetectionRule.Source {
    let isAccess = try information.required("source_interface")
      .word([("access", true), ("core", false)])
    var addresses: [UEAddress] = []
    if let ue = information.optional("ue_ip") {
      for item in try ue.itemsOrSelf() { addresses.append(try ueAddress(item)) }
    }
    guard isAccess else {
      if let tunnel = information.optional("f_teid") {
        throw tunnel.refusal("packets of the core come through no tunnel")
      }
      return .core(ue: addresses)
    }
    let tunnel = try information.required("f_teid").entries(["teid", "ipv4"])
    return .access(
      teid: try tunnel.required("teid").number(),
      address: try tunnel.optional("ipv4").map { (value) throws(Refusal) in
        try ipv4(value).rawValue
      }, ue: addresses)
  }

  private static func ueAddress(_ value: YAMLValue) throws(Refusal) -> UEAddress {
    let text = try value.text()
    guard let prefix = IPPrefix(text) else { throw value.refusal("'\(text)' is no IP address") }
    if let number = prefix.address.v4Number {
      guard prefix.length == 32 else { throw value.refusal("an IPv4 user has a single address") }
      return .v4(number)
    }
    guard prefix.length == 64, prefix.address.low == 0 else {
      throw value.refusal("an IPv6 user has a /64 prefix, such as 2001:db8:0:1::/64")
    }
    return .v6(prefix.address.high)
  }

  private static func ipv4(_ value: YAMLValue) throws(Refusal) -> IPv4Address {
    let text = try value.text()
    guard let address = IPv4Address(text) else {
      throw value.refusal("'\(text)' is no IPv4 address")
    }
    return address
  }

  private static func far(_ value: YAMLValue) throws(Refusal) -> ForwardingActionRule {
    let entries = try value.entries([
      "id", "apply_action", "destination_interface", "outer_header_creation",
    ])
    let id: UInt32 = try entries.required("id").number()
    let forwards = try entries.required("apply_action").word([("forward", true), ("drop", false)])
    guard forwards else { return ForwardingActionRule(id: id, action: .drop) }
    let toAccess = try entries.required("destination_interface")
      .word([("access", true), ("core", false)])
    guard toAccess else {
      if let header = entries.optional("outer_header_creation") {
        throw header.refusal("packets for the core get no tunnel header")
      }
      return ForwardingActionRule(id: id, action: .toCore)
    }
    let header = try entries.required("outer_header_creation").entries(["teid", "ipv4", "port"])
    return ForwardingActionRule(
      id: id,
      action: .toAccess(
        teid: try header.required("teid").number(),
        address: try ipv4(header.required("ipv4")).rawValue,
        port: try header.optional("port")?.number() ?? 2152))
  }

  private static func qer(_ value: YAMLValue) throws(Refusal) -> QoSEnforcementRule {
    let entries = try value.entries(["id", "qfi", "gate_status", "mbr", "burst"])
    var rule = QoSEnforcementRule(id: try entries.required("id").number())
    if let qfi = entries.optional("qfi") { rule.qfi = try qfi.number(upTo: 63) }
    rule.uplink = try limit("uplink", entries)
    rule.downlink = try limit("downlink", entries)
    return rule
  }

  private static func limit(
    _ direction: String, _ entries: YAMLEntries
  ) throws(Refusal) -> QoSEnforcementRule.Limit {
    func entry(_ key: String) throws(Refusal) -> YAMLValue? {
      try entries.optional(key)?.entries(["uplink", "downlink"]).optional(direction)
    }
    return QoSEnforcementRule.Limit(
      gateIsOpen: try entry("gate_status")?.word([("open", true), ("closed", false)]) ?? true,
      mbr: try entry("mbr")?.rate() ?? 0, burst: try entry("burst")?.number())
  }

  private static func urr(_ value: YAMLValue) throws(Refusal) -> UsageReportingRule {
    let entries = try value.entries(["id", "measurement_method"])
    _ = try entries.optional("measurement_method")?.word([("volume", true)])
    return UsageReportingRule(id: try entries.required("id").number())
  }
}
