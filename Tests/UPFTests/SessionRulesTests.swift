import CUPF
import Refusal
import Testing
@testable import UPF

@Suite("Session rules")
struct SessionRulesTests {
  private func compile(
    _ sessions: [SessionSpecification], _ limits: RuleLimits = RuleLimits()
  ) throws(Refusal) -> CompiledRules {
    var slots = SlotMap(limits: limits)
    return try CompiledRules(sessions, n3Address: Site.n3, limits: limits, slots: &slots)
  }

  /// A session with one thing changed.
  private func session(_ change: (inout SessionSpecification) -> Void) -> SessionSpecification {
    var session = Site.session()
    change(&session)
    return session
  }

  @Test func `a row stands for sessions whose numbers go up`() throws {
    let rules = try compile([Site.session(count: 1000)])
    #expect(rules.counts.sessions == 1000)
    // One uplink entry and two downlink ones, for the two UE addresses.
    #expect(rules.counts.pdrs == 3000)
    #expect(rules.counts.fars == 2000)
    let entry = rules.uplink.entries.first {
      $0.key == UInt64(Site.n3) << 32 | UInt64(Site.teid + 999)
    }
    let pdr = rules.pdrs[Int(try #require(entry).first_pdr)]
    #expect(pdr.far == 1998)
    #expect(rules.downlink.entries.contains { $0.key == UInt64(Site.ue + 999) })
    #expect(rules.downlink.entries.contains { $0.key == Site.uePrefix + 999 })
  }

  @Test func `key tables stay at most half full`() throws {
    for count: UInt32 in [1, 2, 3, 511, 512, 513] {
      let rules = try compile([Site.session(count: count)])
      #expect(rules.uplink.entries.count >= 2 * Int(count))
      #expect(rules.uplink.entries.count.nonzeroBitCount == 1)
      #expect(Int(rules.uplink.mask) == rules.uplink.entries.count - 1)
    }
  }

  @Test func `filters that name no user are written once for a whole row`() throws {
    let flow = try FlowDescription(parsing: "permit out udp from any 1,2,3 to assigned")
    let shared = try compile([
      session {
        $0.count = 100; $0.pdrs[1].filters = [flow]
      }
    ])
    // Three ports in two IP versions.
    #expect(shared.filters.count == 6)
    let own = try compile([
      session {
        $0.count = 100
        $0.pdrs[0].source = .access(teid: Site.teid, address: nil, ue: [.v4(Site.ue)])
      }
    ])
    #expect(own.filters.count == 100)
  }

  @Test func `a filter that fits no address of the user is refused`() throws {
    let flow = try FlowDescription(parsing: "permit out ip from 2001:db8::/32 to assigned")
    #expect(throws: Refusal.self) {
      try compile([
        session {
          $0.pdrs[1].source = .core(ue: [.v4(Site.ue)])
          $0.pdrs[1].filters = [flow]
        }
      ])
    }
  }

  /// What is wrong, and a word that the message must have.
  static let wrong: [(word: String, change: @Sendable (inout SessionSpecification) -> Void)] = [
    ("no sessions", { $0.count = 0 }),
    ("64 bits", { ($0.seid, $0.count) = (.max - 1, 5) }),
    ("PDR 2 is there twice", { $0.pdrs[0].id = 2 }),
    ("FAR 1 is there twice", { $0.fars[1].id = 1 }),
    ("names FAR 9", { $0.pdrs[0].far = 9 }),
    ("names QER 9", { $0.pdrs[0].qer = 9 }),
    ("names URR 9", { $0.pdrs[0].urr = 9 }),
    ("QFI", { $0.pdrs[0].qfi = 64 }),
    ("QFI", { $0.qers[0].qfi = 64 }),
    ("rate", { $0.qers[0].uplink.mbr = RuleLimits.largestRate + 1 }),
    ("burst", { $0.qers[0].uplink.burst = RuleLimits.largestBurst + 1 }),
    ("burst", { $0.qers[0].uplink = .init(mbr: 1, burst: 0) }),
    ("TEIDs", { $0.pdrs[0].source = .access(teid: 0, address: nil, ue: []) }),
    (
      "TEIDs",
      {
        $0.count = 3
        $0.pdrs[0].source = .access(teid: .max - 1, address: nil, ue: [])
      }
    ),
    ("TEIDs", { $0.fars[1].action = .toAccess(teid: 0, address: 1, port: 1) }),
    ("port 0", { $0.fars[1].action = .toAccess(teid: 1, address: 1, port: 0) }),
    ("no UE address", { $0.pdrs[1].source = .core(ue: []) }),
    ("255.255.255.255", { ($0.count, $0.pdrs[1].source) = (2, .core(ue: [.v4(.max)])) }),
    ("prefix", { $0.pdrs[1].source = .core(ue: [.v6(0xffff_ffff)]) }),
  ]

  @Test(arguments: wrong.indices)
  func `a rule that makes no sense is refused, with the place and the reason`(index: Int) {
    let error = #expect(throws: Refusal.self) { try compile([session(Self.wrong[index].change)]) }
    #expect(error?.message.contains(Self.wrong[index].word) == true, "\(error.debugDescription)")
    #expect(error?.message.hasPrefix("session 0x") == true)
    #expect(error?.location == "test")
  }

  @Test func `two sessions cannot share a tunnel, an address or a SEID`() {
    let pairs: [(SessionSpecification, String)] = [
      (Site.session(seid: 2, ue: 9, prefix: 9 << 32), "F-TEID 0x1000 at 10.1.0.1"),
      (Site.session(seid: 2, teid: 9, prefix: 9 << 32), "UE address 10.60.0.1"),
      (Site.session(seid: 2, teid: 9, ue: 9), "UE address 2001:db8:0:1::/64"),
      (Site.session(seid: 1, teid: 9, ue: 9, prefix: 9 << 32), "SEID 0x1 is used twice"),
    ]
    for (other, word) in pairs {
      let error = #expect(throws: Refusal.self) { try compile([Site.session(), other]) }
      #expect(error?.message.contains(word) == true, "\(error.debugDescription)")
    }
  }

  @Test func `caps are caps`() {
    var limits = RuleLimits()
    limits.sessions = 10
    limits.qers = 5
    #expect(throws: Never.self) { try compile([Site.session(count: 5)], limits) }
    let qers = #expect(throws: Refusal.self) { try compile([Site.session(count: 6)], limits) }
    #expect(qers?.kind == .limit)
    limits.qers = 100
    #expect(throws: Never.self) { try compile([Site.session(count: 10)], limits) }
    #expect(throws: Refusal.self) { try compile([Site.session(count: 11)], limits) }
    limits.urrs = 9
    #expect(throws: Refusal.self) { try compile([Site.session(count: 10)], limits) }
    limits = RuleLimits()
    limits.pdrs = 29
    #expect(throws: Refusal.self) { try compile([Site.session(count: 10)], limits) }
  }

  @Test func `a burst that is not given follows the rate`() {
    #expect(QoSEnforcementRule.Limit(mbr: 0).burst == 16_384)
    #expect(QoSEnforcementRule.Limit(mbr: 160_000_000).burst == 1_000_000)
    #expect(QoSEnforcementRule.Limit(mbr: .max).burst == RuleLimits.largestBurst)
  }
}
