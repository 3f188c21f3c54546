internal import CHitless

/// Where a candidate serves.
package enum Placement: Equatable, Sendable {
  /// Everywhere.
  case everywhere
  /// Nowhere yet; but workers know of it, and stable's batches are measured.
  case nowhere
  /// On so many workers, those of the lowest indices; the others have a view in which nothing is its.
  case workers(Int)
  /// For so many of 65 536 batches of every worker.
  case batches(UInt32)
  /// For so many of 65 536 flows.
  case flows(UInt32)
}

/// How much of the traffic is the candidate's, in parts of 65 536.
package struct ViewSplit: Equatable, Sendable {
  /// Everything.
  package static let all = ViewSplit()
  /// Nothing: the candidate is only named, so that stable is measured beside it.
  package static let none = ViewSplit(flows: 0, batches: 0)

  /// Flows, for hosts that split their batches by them.
  package let flows: UInt32
  /// Batches, for workers that run them with `hitless_run_batch`.
  package let batches: UInt32

  /// Larger parts count as all.
  package init(flows: UInt32 = HITLESS_SHARE_ALL, batches: UInt32 = HITLESS_SHARE_ALL) {
    self.flows = min(flows, HITLESS_SHARE_ALL)
    self.batches = min(batches, HITLESS_SHARE_ALL)
  }
}

/// What one publication is for which worker.
struct Seats: Equatable, Sendable {
  /// The same for everybody.
  static let all = Seats(split: .all, limit: .max)

  /// For workers whose index is below the limit; the others have nothing of the candidate.
  let split: ViewSplit
  let limit: UInt32

  /// Whether workers at or above the limit have another view.
  var areSplit: Bool { limit != .max }
}
