/// The host's detection rules, as one batch sees them.
struct PDRTables {
  private let uplink: Records<upf_pdr_key>
  private let downlink: Records<upf_pdr_key>
  private let filters: Records<upf_filter>
  /// The rules themselves.
  let pdrs: Records<upf_pdr>

  /// Wraps the tables of the host.
  @inline(always)
  init(_ tables: upf_pdr_tables) {
    unsafe uplink = Records(tables.uplink, count: tables.uplink_mask &+ 1)
    unsafe downlink = Records(tables.downlink, count: tables.downlink_mask &+ 1)
    unsafe pdrs = Records(tables.pdrs, count: tables.pdr_count)
    unsafe filters = Records(tables.filters, count: tables.filter_count)
  }

  /// The rules of one key: they lie together.
  struct Range: BitwiseCopyable {
    var first: UInt32
    var count: UInt32

    /// No rules.
    static var none: Range { Range(first: 0, count: 0) }
  }

  /// Starts loading the entry where the search for `hash` begins.
  @inline(always)
  func prefetchEntry(_ hash: UInt32, uplink isUplink: Bool) {
    let entries = isUplink ? uplink : downlink
    entries.prefetch(hash & (entries.count &- 1))
  }

  /// Returns the rules that are filed for `packet`, and starts loading the first; `hash` is its key's.
  @inline(always)
  func rules(for packet: Packet, key: UInt64, hash: UInt32) -> Range {
    let entries = packet.isUplink ? uplink : downlink
    let mask = entries.count &- 1
    var place = hash & mask
    // At least one entry is empty, but a search must end even if the host broke that promise.
    for _ in 0..<entries.count {
      guard let entry = entries[place], entry.pdr_count != 0 else { break }
      if entry.key == key {
        pdrs.prefetch(entry.first_pdr)
        return Range(first: entry.first_pdr, count: entry.pdr_count)
      }
      place = (place &+ 1) & mask
    }
    return .none
  }

  /// Starts loading the first filter of the first rules.
  @inline(always)
  func prefetchFilters(of range: Range) {
    for step in 0..<min(range.count, 2) {
      guard let pdr = pdrs[range.first &+ step] else { return }
      if pdr.filter_count != 0 { filters.prefetch(pdr.first_filter) }
    }
  }

  /// Returns the index of the rule of `range` that `packet` falls under, or `UPF_NONE`.
  @inline(always)
  func match(_ packet: Packet, in range: Range) -> UInt32 {
    let rules = pdrs.slice(range.first, range.count)
    let (direction, qfi) = (packet.direction, packet.qfi)
    var best = UPF_NONE
    var bestRank: UInt64 = 0
    var index: UInt32 = 0
    while let pdr = rules[index] {
      // Of rules with the same rank the first keeps the packet.
      if rank(of: pdr.precedence) > bestRank, pdr.direction == direction,
        pdr.qfi == 0 || pdr.qfi == qfi,
        pdr.filter_count == 0 || admits(packet, filters.slice(pdr.first_filter, pdr.filter_count))
      {
        best = range.first &+ index
        bestRank = rank(of: pdr.precedence)
      }
      index &+= 1
    }
    return best
  }
}

/// Returns how strong the claim of a rule to its packets is: the highest takes them, 0 is no rule.
@inline(always)
private func rank(of precedence: UInt32) -> UInt64 { UInt64(precedence) + 1 }

/// Returns whether one of `filters` admits the packet.
@inline(always)
private func admits(_ packet: Packet, _ filters: Records<upf_filter>) -> Bool {
  var index: UInt32 = 0
  while let filter = filters.filter(index) {
    if filter.admits(packet) { return true }
    index &+= 1
  }
  return false
}
