package import Bytes

extension TableSummary {
  /// The numbers as `--json` prints them.
  package var json: JSON {
    .object([
      ("sequence", .unsigned(sequence)), ("sessions", .integer(Int64(sessions))),
      ("pdrs", .integer(Int64(pdrs))), ("filters", .integer(Int64(filters))),
      ("fars", .integer(Int64(fars))), ("qers", .integer(Int64(qers))),
      ("urrs", .integer(Int64(urrs))), ("overdue", .integer(Int64(overdue))),
    ])
  }
}

extension WorkerStatistics {
  /// Everything, with the reasons and builds by name; fates that never happened are left out.
  package var json: JSON {
    .object([
      ("received", .object([("n3", receivedN3.json), ("n6", receivedN6.json)])),
      ("sent", .object([("n3", sentN3.json), ("n6", sentN6.json)])),
      ("forwarded", fates(.forwarded)), ("consumed", fates(.consumed)),
      ("dropped", fates(.dropped)),
      (
        "between_workers",
        .object([("handed_over", self[.handedOver].json), ("taken_over", takenOver.json)])
      ),
      (
        "replies",
        .object([
          ("echo_responses", .unsigned(echoResponsesSent)),
          ("error_indications", .unsigned(errorIndicationsSent)),
          ("error_indications_suppressed", .unsigned(errorIndicationsSuppressed)),
          ("header_notices", .unsigned(headerNoticesSent)),
          ("header_notices_suppressed", .unsigned(headerNoticesSuppressed)),
          ("failed", .unsigned(repliesFailed)),
        ])
      ),
      ("batches", .unsigned(batches)), ("invalid_updates", .unsigned(invalidUpdates)),
      ("builds", buildsJSON), ("qer_marks", marksJSON), ("batch_time", latencyJSON),
    ])
  }

  private func fates(_ kind: PacketFate.Kind) -> JSON {
    .object(
      PacketFate.table.filter { $0.kind == kind && self[$0.fate].packets > 0 }
        .map { ($0.name, self[$0.fate].json) })
  }

  private var buildsJSON: JSON {
    .object(
      ModuleSlot.allCases.map { slot in
        let builds = builds.filter { $0.slot == slot }.sorted { $0.ordinal < $1.ordinal }
        return (slot.name, .array(builds.map(\.json)))
      })
  }

  /// Packets by `minor.patch` of the qer module that marked them.
  private var marksJSON: JSON {
    var entries = marks.sorted { $0.key < $1.key }.map { mark, packets -> (String, JSON) in
      (mark == unmarked ? "none" : "\(mark >> 8).\(mark & 0xff)", .unsigned(packets))
    }
    if otherMarks > 0 { entries.append(("other", .unsigned(otherMarks))) }
    return .object(entries)
  }

  /// Percentiles, and the buckets they come from: smallest nanoseconds and batches.
  private var latencyJSON: JSON {
    func percentile(_ share: Double) -> JSON {
      .unsigned(LatencyHistogram.percentile(share, of: latency))
    }
    let buckets = latency.enumerated().filter { $0.element > 0 }
    return .object([
      ("count", .unsigned(latency.reduce(0, &+))), ("p50_ns", percentile(0.5)),
      ("p99_ns", percentile(0.99)), ("p999_ns", percentile(0.999)),
      ("max_ns", percentile(1)),
      (
        "buckets",
        .array(
          buckets.map { bucket, count in
            .array([.unsigned(LatencyHistogram.lowerBound(of: bucket)), .unsigned(count)])
          })
      ),
    ])
  }
}

extension BuildStatistics {
  /// The build as `--json` prints it.
  package var json: JSON {
    .object([
      ("ordinal", .unsigned(UInt64(ordinal))), ("build_id", .string(buildID.hex)),
      ("version", .string(version.map { String($0) }.joined(separator: "."))),
      ("packets", .unsigned(packets)), ("batches", .unsigned(batches)),
    ])
  }
}

extension SessionStatistics {
  /// The session's traffic as `--json` prints it.
  package var json: JSON {
    .object([
      ("balanced", .bool(isBalanced)),
      (
        "uplink", .object([("received", received[0].json), ("sent", sent[0].json)])
      ),
      (
        "downlink", .object([("received", received[1].json), ("sent", sent[1].json)])
      ),
      (
        "dropped",
        .object([
          (PacketFate.gateClosed.name, gateClosed.json),
          (PacketFate.mbrExceeded.name, mbrExceeded.json),
          (PacketFate.droppedByFAR.name, droppedByFAR.json), ("other", other.json),
        ])
      ),
    ])
  }
}

extension UsageStatistics {
  /// The measurement as `--json` prints it.
  package var json: JSON {
    .object([("uplink", uplink.json), ("downlink", downlink.json)])
  }
}
