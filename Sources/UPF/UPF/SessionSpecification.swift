/// One PFCP session, or a row of them that differ only in their numbers (TS 29.244, section 5.2).
///
/// A row stands for `count` sessions; the n-th has n added to its SEID, to every TEID and to every UE
/// address (to the /64 prefix of an IPv6 one). So a million sessions take a few lines.
package struct SessionSpecification: Equatable, Sendable {
  /// Session endpoint identifier of the first session.
  package var seid: UInt64
  /// How many sessions this stands for.
  package var count: UInt32
  /// Packet detection rules.
  package var pdrs: [PacketDetectionRule]
  /// Forwarding action rules.
  package var fars: [ForwardingActionRule]
  /// QoS enforcement rules.
  package var qers: [QoSEnforcementRule]
  /// Usage reporting rules.
  package var urrs: [UsageReportingRule]
  /// Where it was written, for messages.
  package var location: String

  /// Creates a specification.
  package init(
    seid: UInt64, count: UInt32 = 1, pdrs: [PacketDetectionRule], fars: [ForwardingActionRule],
    qers: [QoSEnforcementRule] = [], urrs: [UsageReportingRule] = [], location: String = ""
  ) {
    self.seid = seid
    self.count = count
    self.pdrs = pdrs
    self.fars = fars
    self.qers = qers
    self.urrs = urrs
    self.location = location
  }
}

/// What packets a rule is for, and which rules apply to them (TS 29.244, section 5.2.1A).
package struct PacketDetectionRule: Equatable, Sendable {
  /// Where the packets come from (the PDI's source interface) and the key that finds the session.
  package enum Source: Equatable, Sendable {
    /// From an access node, through the tunnel with this local F-TEID; with a UE address, only packets
    /// from it.
    case access(teid: UInt32, address: UInt32?, ue: [UEAddress])
    /// From the data network, to one of these UE addresses.
    case core(ue: [UEAddress])
  }

  /// Identifier within the session.
  package var id: UInt32
  /// The lower value wins.
  package var precedence: UInt32
  /// Source interface with F-TEID or UE address.
  package var source: Source
  /// Only packets of this QoS flow; 0 is any.
  package var qfi: UInt8
  /// SDF filters; one that matches is enough, none means that every packet does.
  package var filters: [FlowDescription]
  /// The FAR to apply.
  package var far: UInt32
  /// The QER to apply.
  package var qer: UInt32?
  /// The URR to apply.
  package var urr: UInt32?

  /// Creates a rule.
  package init(
    id: UInt32, precedence: UInt32, source: Source, qfi: UInt8 = 0,
    filters: [FlowDescription] = [], far: UInt32, qer: UInt32? = nil, urr: UInt32? = nil
  ) {
    self.id = id
    self.precedence = precedence
    self.source = source
    self.qfi = qfi
    self.filters = filters
    self.far = far
    self.qer = qer
    self.urr = urr
  }
}

/// The address of a user: an IPv4 address, or the /64 prefix of an IPv6 user.
package enum UEAddress: Hashable, Sendable {
  /// In host byte order.
  case v4(UInt32)
  /// First eight bytes, in host byte order.
  case v6(UInt64)
}

/// What to do with packets (TS 29.244, section 5.2.1).
package struct ForwardingActionRule: Equatable, Sendable {
  /// Apply action, and where to.
  package enum Action: Equatable, Sendable {
    /// DROP.
    case drop
    /// FORW to the data network; the outer header is removed.
    case toCore
    /// FORW to an access node, with a GTP-U header for this tunnel.
    case toAccess(teid: UInt32, address: UInt32, port: UInt16)
  }

  /// Identifier within the session.
  package var id: UInt32
  /// What to do.
  package var action: Action

  /// Creates a rule.
  package init(id: UInt32, action: Action) {
    self.id = id
    self.action = action
  }
}

/// Gate and bit rate, per direction (TS 29.244, section 5.2.1).
package struct QoSEnforcementRule: Equatable, Sendable {
  /// One direction's enforcement.
  package struct Limit: Equatable, Sendable {
    /// Gate status: whether packets pass at all.
    package var gateIsOpen: Bool
    /// Maximum bit rate in bit/s; 0 is unlimited.
    package var mbr: UInt64
    /// Largest burst in bytes.
    package var burst: UInt32

    /// Creates a limit; without a burst it is what the rate passes in 50 ms, at least 16 KiB.
    package init(gateIsOpen: Bool = true, mbr: UInt64 = 0, burst: UInt32? = nil) {
      self.gateIsOpen = gateIsOpen
      self.mbr = mbr
      let usual = min(max(mbr / 160, 16_384), UInt64(RuleLimits.largestBurst))
      self.burst = burst ?? UInt32(usual)
    }
  }

  /// Identifier within the session.
  package var id: UInt32
  /// QoS flow identifier that downlink packets carry to the access node.
  package var qfi: UInt8
  /// Enforcement of uplink packets.
  package var uplink: Limit
  /// Enforcement of downlink packets.
  package var downlink: Limit

  /// Creates a rule.
  package init(
    id: UInt32, qfi: UInt8 = 0, uplink: Limit = Limit(), downlink: Limit = Limit()
  ) {
    self.id = id
    self.qfi = qfi
    self.uplink = uplink
    self.downlink = downlink
  }
}

/// What to measure: volume, per direction (TS 29.244, section 5.2.2).
package struct UsageReportingRule: Equatable, Sendable {
  /// Identifier within the session.
  package var id: UInt32

  /// Creates a rule.
  package init(id: UInt32) { self.id = id }
}

/// How much of everything there may be.
package struct RuleLimits: Sendable {
  /// Sessions.
  package var sessions = 1 << 20
  /// QERs over all sessions.
  package var qers = 1 << 21
  /// URRs over all sessions.
  package var urrs = 1 << 21
  /// PDRs over all sessions.
  package var pdrs = 1 << 23
  /// SDF filters over all sessions.
  package var filters = 1 << 23

  /// A burst in nanobits must fit 64 bits.
  package static let largestBurst: UInt32 = 2_000_000_000
  /// 10 Tbit/s.
  package static let largestRate: UInt64 = 10_000_000_000_000

  /// The defaults: a million sessions.
  package init() {}
}
