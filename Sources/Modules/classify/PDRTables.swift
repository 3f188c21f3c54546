/// The host's detection rules, as one batch sees them.
struct PDRTables {
  private let uplink: Records<upf_pdr_key>
  private let downlink: Records<upf_pdr_key>
  private let pdrs: Records<upf_pdr>
  private let filters: Records<upf_filter>

  /// Wraps the tables of the host.
  @inline(__always)
  init(_ tables: upf_pdr_tables) {
    unsafe uplink = Records(tables.uplink, count: tables.uplink_mask &+ 1)
    unsafe downlink = Records(tables.downlink, count: tables.downlink_mask &+ 1)
    unsafe pdrs = Records(tables.pdrs, count: tables.pdr_count)
    unsafe filters = Records(tables.filters, count: tables.filter_count)
  }

  /// A packet's key, and where the search for it starts.
  struct Place: BitwiseCopyable {
    var key: UInt64
    var hash: UInt32
  }

  /// Returns the place of `flow`, and starts loading the entry there.
  @inline(__always)
  func place(of flow: Flow) -> Place {
    let place = Place(key: flow.key, hash: upf_key_hash(flow.key))
    let entries = flow.isUplink ? uplink : downlink
    entries.prefetch(place.hash & (entries.count &- 1))
    return place
  }

  /// The rules of one key: they lie together.
  struct Range: BitwiseCopyable {
    var first: UInt32
    var count: UInt32
  }

  /// Returns the rules of `place`, none when the key is unknown, and starts loading the first.
  @inline(__always)
  func rules(at place: Place, uplink isUplink: Bool) -> Range {
    let entries = isUplink ? uplink : downlink
    let mask = entries.count &- 1
    // At least one entry is empty, but a search must end even if the host broke that promise.
    for step in 0..<entries.count {
      guard let entry = entries[(place.hash &+ step) & mask], entry.pdr_count != 0 else { break }
      if entry.key == place.key {
        pdrs.prefetch(entry.first_pdr)
        return Range(first: entry.first_pdr, count: entry.pdr_count)
      }
    }
    return Range(first: 0, count: 0)
  }

  /// A rule and its index.
  struct Match {
    let index: UInt32
    let pdr: upf_pdr
  }

  /// Returns the rule of `range` that `flow` falls under.
  @inline(__always)
  func match(_ flow: Flow, in range: Range) -> Match? {
    var best: Match?
    for step in 0..<range.count {
      let index = range.first &+ step
      guard let pdr = pdrs[index] else { break }
      if let best, !outranks(pdr, best.pdr) { continue }
      guard pdr.direction == flow.direction, pdr.qfi == 0 || pdr.qfi == flow.qfi,
        admits(flow, pdr)
      else { continue }
      best = Match(index: index, pdr: pdr)
    }
    return best
  }

  /// Returns whether one of the rule's filters admits the flow, or there are none.
  @inline(__always)
  private func admits(_ flow: Flow, _ pdr: upf_pdr) -> Bool {
    if pdr.filter_count == 0 { return true }
    for step in 0..<pdr.filter_count {
      guard let filter = filters[pdr.first_filter &+ step] else { return false }
      if filter.admits(flow) { return true }
    }
    return false
  }
}

/// Returns whether `candidate` takes the packet from `best`; of two equal ones the first keeps it.
@inline(__always)
private func outranks(_ candidate: upf_pdr, _ best: upf_pdr) -> Bool {
  candidate.precedence > best.precedence
}
