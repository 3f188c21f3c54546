internal import CUPF
internal import GTPU
internal import Refusal

/// Rules as flat arrays, the way from specifications to `RuleTables`.
struct CompiledRules {
  var uplink: KeyTable
  var downlink: KeyTable
  var pdrs: [upf_pdr] = []
  var filters: [upf_filter] = []
  /// By record number: a rule that is gone leaves a gap.
  var qers: [upf_qer]
  var fars: [ForwardingRule] = []
  var counts = RuleTables.Counts()
  /// One more than the largest record numbers.
  var sessionEnd: UInt32 = 0
  var urrEnd: UInt32 = 0

  private var slots: SlotMap
  private let limits: RuleLimits

  /// Compiles `sessions`; `slots` is what the rules before them used, and becomes what these use.
  ///
  /// - Complexity: O(n) in the number of rules, after expansion.
  init(
    _ sessions: [SessionSpecification], n3Address: UInt32, limits: RuleLimits,
    slots: inout SlotMap
  ) throws(Refusal) {
    var plans: [SessionPlan] = []
    for session in sessions { plans.append(try SessionPlan(session, n3Address: n3Address)) }
    let total = sessions.reduce(0) { $0 + Int($1.count) }
    try Self.check("sessions", total, limits.sessions)
    let keys = plans.reduce(into: (up: 0, down: 0, pdrs: 0)) { sum, plan in
      sum.up += plan.keyCount(.uplink)
      sum.down += plan.keyCount(.downlink)
      sum.pdrs += plan.pdrCount
    }
    try Self.check("PDRs", keys.pdrs, limits.pdrs)

    uplink = KeyTable(count: keys.up)
    downlink = KeyTable(count: keys.down)
    qers = Array(repeating: upf_qer(), count: Int(slots.qers.allocator.end))
    self.slots = slots
    self.limits = limits
    pdrs.reserveCapacity(keys.pdrs)
    self.slots.sessions.begin(capacity: total)
    self.slots.qers.begin(capacity: total)
    self.slots.urrs.begin(capacity: total)
    for plan in plans { try add(plan) }

    counts.sessions = total
    counts.pdrs = pdrs.count
    counts.filters = filters.count
    counts.fars = fars.count
    counts.qers = self.slots.qers.numbers.count
    counts.urrs = self.slots.urrs.numbers.count
    sessionEnd = self.slots.sessions.allocator.end
    urrEnd = self.slots.urrs.allocator.end
    slots = self.slots
  }

  private static func check(_ what: String, _ found: Int, _ limit: Int) throws(Refusal) {
    guard found <= limit else {
      throw Refusal(.limit, "too many \(what)", expected: "at most \(limit)", found: "\(found)")
    }
  }

  private mutating func add(_ plan: SessionPlan) throws(Refusal) {
    // Filters that are the same for every session of the row are written once.
    var shared: [Int: Int] = [:]
    for number in 0..<plan.session.count {
      try add(plan, number, &shared)
    }
  }

  private mutating func add(
    _ plan: SessionPlan, _ number: UInt32, _ shared: inout [Int: Int]
  ) throws(Refusal) {
    let seid = plan.session.seid + UInt64(number)
    guard let session = slots.sessions.number(for: seid) else {
      throw Refusal(.limit, "no record is left for another session", at: plan.session.location)
    }
    guard session.isNew else { throw plan.refusal("SEID \(hex(seid)) is used twice") }
    let qers = try addQERs(plan, seid)
    let urrs = try addURRs(plan, seid)
    let firstFAR = fars.count
    for far in plan.session.fars { fars.append(Self.rule(far, number)) }

    for group in plan.groups {
      let first = pdrs.count
      for index in group.pdrs {
        let pdr = plan.pdrs[index]
        let filters = try addFilters(pdr, plan, number, index, &shared)
        var entry = upf_pdr()
        entry.precedence = pdr.rule.precedence
        entry.session = session.number
        entry.qer = pdr.qer.map { qers[$0] } ?? UPF_NONE
        entry.urr = pdr.urr.map { urrs[$0] } ?? UPF_NONE
        entry.far = UInt32(firstFAR + pdr.far)
        entry.first_filter = UInt32(filters.first)
        entry.filter_count = UInt32(filters.count)
        entry.direction = UInt8(group.direction.rawValue)
        entry.qfi = pdr.rule.qfi
        pdrs.append(entry)
      }
      try insert(group, number, first: first, plan)
    }
  }

  private mutating func insert(
    _ group: SessionPlan.Group, _ number: UInt32, first: Int, _ plan: SessionPlan
  ) throws(Refusal) {
    let key = group.key + UInt64(number)
    let taken: Int?
    switch group.direction {
    case .uplink: taken = uplink.insert(key, firstPDR: first, count: group.pdrs.count)
    case .downlink: taken = downlink.insert(key, firstPDR: first, count: group.pdrs.count)
    }
    if taken != nil {
      let what = group.direction == .uplink ? "F-TEID" : "UE address"
      throw plan.refusal(
        "the \(what) \(group.name(number)) of session \(hex(plan.session.seid + UInt64(number)))"
          + " belongs to another session already")
    }
  }

  private mutating func addQERs(_ plan: SessionPlan, _ seid: UInt64) throws(Refusal) -> [UInt32] {
    var numbers: [UInt32] = []
    for rule in plan.session.qers {
      let key = SlotMap.RuleKey(seid: seid, id: rule.id)
      guard let number = slots.qers.number(for: key)?.number else {
        throw Refusal(.limit, "no record is left for another QER", at: plan.session.location)
      }
      while qers.count <= Int(number) { qers.append(upf_qer()) }
      qers[Int(number)] = Self.qer(rule)
      numbers.append(number)
    }
    return numbers
  }

  private mutating func addURRs(_ plan: SessionPlan, _ seid: UInt64) throws(Refusal) -> [UInt32] {
    var numbers: [UInt32] = []
    for rule in plan.session.urrs {
      let key = SlotMap.RuleKey(seid: seid, id: rule.id)
      guard let number = slots.urrs.number(for: key)?.number else {
        throw Refusal(.limit, "no record is left for another URR", at: plan.session.location)
      }
      numbers.append(number)
    }
    return numbers
  }

  private mutating func addFilters(
    _ pdr: SessionPlan.Rule, _ plan: SessionPlan, _ number: UInt32, _ index: Int,
    _ shared: inout [Int: Int]
  ) throws(Refusal) -> (first: Int, count: Int) {
    if let first = shared[index] { return (first, pdr.filters.count) }
    let first = filters.count
    guard first + pdr.filters.count <= limits.filters else {
      throw Refusal(.limit, "no room is left for another SDF filter", at: plan.session.location)
    }
    if pdr.filtersNameUE {
      for filter in pdr.filters { filters.append(filter.shifted(by: number).record) }
    } else {
      shared[index] = first
      for filter in pdr.filters { filters.append(filter.record) }
    }
    return (first, pdr.filters.count)
  }

  private static func qer(_ rule: QoSEnforcementRule) -> upf_qer {
    var entry = upf_qer()
    entry.gate.0 = UInt8(rule.uplink.gateIsOpen ? UPF_GATE_OPEN : UPF_GATE_CLOSED)
    entry.gate.1 = UInt8(rule.downlink.gateIsOpen ? UPF_GATE_OPEN : UPF_GATE_CLOSED)
    entry.qfi = rule.qfi
    entry.mbr = (rule.uplink.mbr, rule.downlink.mbr)
    entry.burst = (rule.uplink.burst, rule.downlink.burst)
    return entry
  }

  private static func rule(_ far: ForwardingActionRule, _ number: UInt32) -> ForwardingRule {
    var rule = ForwardingRule()
    switch far.action {
    case .drop: rule.action = ForwardingRule.drop
    case .toCore: rule.action = ForwardingRule.toCore
    case .toAccess(let teid, let address, let port):
      rule.action = ForwardingRule.toAccess
      rule.address = address
      rule.port = port
      rule.header = tunnelHeader(teid: teid + number)
    }
    return rule
  }

  /// The sixteen bytes before every packet of a tunnel, as two words in memory order.
  private static func tunnelHeader(teid: UInt32) -> (UInt64, UInt64) {
    let header = GTPUHeader(
      .packet, teid: teid, pduSession: PDUSessionContainer(.downlink, qfi: 0))
    let bytes = header.message([])
    func word(_ range: Range<Int>) -> UInt64 {
      UInt64(littleEndian: bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }
    return (word(0..<8), word(8..<16))
  }
}

/// A number as SEIDs and TEIDs are written.
func hex(_ value: some BinaryInteger) -> String { "0x" + String(value, radix: 16) }
