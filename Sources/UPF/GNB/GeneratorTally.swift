internal import Bytes

/// What came back to a generator, apart from the series themselves.
struct GeneratorTally: Sendable {
  /// Packets that are none of ours: another run's, or no records at all.
  var foreign: UInt64 = 0
  /// Records whose bytes were changed on the way.
  var corrupt: UInt64 = 0
  /// Records that the sink has not had.
  var notReturned: UInt64 = 0
  /// Records that came through another UE's tunnel, or under another address.
  var misdelivered: UInt64 = 0
  /// From the making of a packet to its return.
  var roundTrip = LatencyHistogram()

  /// Whether nothing came back that should not have.
  var isClean: Bool { foreign + corrupt + notReturned + misdelivered == 0 }

  /// The counters.
  var json: [(String, JSON)] {
    [
      ("foreign", .unsigned(foreign)), ("corrupt", .unsigned(corrupt)),
      ("not_returned", .unsigned(notReturned)), ("misdelivered", .unsigned(misdelivered)),
      ("round_trip_us", roundTrip.json),
    ]
  }
}
