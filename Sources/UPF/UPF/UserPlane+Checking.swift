package import PacketIO
package import Refusal

extension UserPlane {
  /// Says what tables these sessions would make, or throws what is wrong with them.
  package static func check(
    _ sessions: [SessionSpecification], n3Address: IPv4Address, limits: RuleLimits = RuleLimits()
  ) throws(Refusal) -> TableSummary {
    var slots = SlotMap(limits: limits)
    let rules = try CompiledRules(
      sessions, n3Address: n3Address.rawValue, limits: limits, slots: &slots)
    return TableSummary(sequence: 0, counts: rules.counts, overdue: 0)
  }
}
