package import Bytes

/// Where every received packet has gone; the check that none is missing.
///
/// received + taken over = forwarded + consumed + dropped + handed over holds for every worker at every
/// moment. Over all workers, handed over minus taken over is what waits in rings between them.
package struct Account: Equatable, Sendable {
  /// Came in through N3 or N6.
  package let received: Traffic
  /// Left on the other side.
  package let forwarded: Traffic
  /// Was for this node.
  package let consumed: Traffic
  /// Went no further, for one of the named reasons.
  package let dropped: Traffic
  /// Given to other workers.
  package let handedOver: Traffic
  /// Got from other workers.
  package let takenOver: Traffic
  /// What was sent through N3 and N6.
  package let sent: Traffic

  /// Reads the account of one worker, or of all.
  package init(_ statistics: WorkerStatistics) {
    received = statistics.receivedN3 + statistics.receivedN6
    forwarded = statistics.total(.forwarded)
    consumed = statistics.total(.consumed)
    dropped = statistics.total(.dropped)
    handedOver = statistics.total(.handedOver)
    takenOver = statistics.takenOver
    sent = statistics.sentN3 + statistics.sentN6
  }

  /// Whether every packet and every byte that came in has a fate, and what was sent is what was
  /// forwarded.
  package var isBalanced: Bool {
    received + takenOver == forwarded + consumed + dropped + handedOver
      && sent.packets == forwarded.packets
  }

  /// Packets between two workers; exact for all workers together, meaningless for one.
  package var inFlight: Int64 {
    Int64(bitPattern: handedOver.packets &- takenOver.packets)
  }

  /// Packets without a fate: 0, or something is broken.
  package var missing: Int64 {
    Int64(
      bitPattern: received.packets &+ takenOver.packets &- forwarded.packets &- consumed.packets
        &- dropped.packets &- handedOver.packets)
  }

  /// The account as `--json` prints it.
  package var json: JSON {
    .object([
      ("balanced", .bool(isBalanced)), ("missing", .integer(missing)),
      ("in_flight", .integer(inFlight)), ("received", received.json),
      ("forwarded", forwarded.json), ("consumed", consumed.json), ("dropped", dropped.json),
      ("sent", sent.json),
    ])
  }
}

extension Traffic {
  /// Packets and bytes as an object.
  package var json: JSON {
    .object([("packets", .unsigned(packets)), ("bytes", .unsigned(bytes))])
  }
}
