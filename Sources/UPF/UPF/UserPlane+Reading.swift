internal import Platform

/// What one session has seen.
package struct SessionStatistics: Equatable, Sendable {
  /// Packets that matched one of its PDRs, by direction: uplink, downlink.
  package var received: [Traffic]
  /// Packets sent on, by direction.
  package var sent: [Traffic]
  /// Stopped by a gate.
  package var gateClosed: Traffic
  /// Over the maximum bit rate.
  package var mbrExceeded: Traffic
  /// Stopped by a FAR.
  package var droppedByFAR: Traffic
  /// Not sent for other reasons.
  package var other: Traffic

  init(_ cells: [UInt64]) {
    func traffic(_ index: Int) -> Traffic {
      Traffic(packets: cells[index], bytes: cells[index + 1])
    }
    received = [traffic(SessionRecord.received(0)), traffic(SessionRecord.received(1))]
    sent = [traffic(SessionRecord.sent(0)), traffic(SessionRecord.sent(1))]
    gateClosed = traffic(SessionRecord.gateClosed)
    mbrExceeded = traffic(SessionRecord.mbrExceeded)
    droppedByFAR = traffic(SessionRecord.droppedByFAR)
    other = traffic(SessionRecord.other)
  }

  /// Whether every packet and byte that came in has gone somewhere.
  package var isBalanced: Bool {
    received[0] + received[1]
      == sent[0] + sent[1] + gateClosed + mbrExceeded + droppedByFAR + other
  }

  /// Adds another session's traffic.
  package static func += (left: inout SessionStatistics, right: SessionStatistics) {
    for direction in 0...1 {
      left.received[direction] += right.received[direction]
      left.sent[direction] += right.sent[direction]
    }
    left.gateClosed += right.gateClosed
    left.mbrExceeded += right.mbrExceeded
    left.droppedByFAR += right.droppedByFAR
    left.other += right.other
  }
}

/// What one URR has measured.
package struct UsageStatistics: Equatable, Sendable {
  /// Packets and volume towards the data network.
  package let uplink: Traffic
  /// Packets and volume towards the user.
  package let downlink: Traffic
}

extension Worker {
  /// The counters of a session that this worker owns, as they were between two batches.
  func sessionCells(_ number: UInt32) -> [UInt64] {
    unsafe counters.consistently(state.session(number), count: SessionRecord.cellCount)
  }

  /// The measurement of a URR whose session this worker owns.
  func usageCells(_ number: UInt32) -> [UInt64] {
    unsafe counters.consistently(state.usage(number), count: UsageRecord.cellCount)
  }
}

extension UserPlane {
  /// What every worker has done, in the order of the workers.
  package func workerStatistics() -> [WorkerStatistics] {
    // One reader at a time: the copy that a busy worker makes for its reader has one place.
    control.withLock { _ in workers.map { $0.counters.snapshot() } }
  }

  /// What all workers have done together.
  package func statistics() -> WorkerStatistics {
    workerStatistics().reduce(into: WorkerStatistics.zero) { $0.add($1) }
  }

  /// The account of all workers together.
  package func account() -> Account { Account(statistics()) }

  /// What is in force.
  package var tables: TableSummary { control.withLock { $0.summary } }

  /// Datagrams that the kernel dropped at N3 before any worker saw them.
  package var kernelDrops: UInt64 { workers.reduce(0) { $0 &+ $1.n3.kernelDrops } }

  /// SEIDs in force, sorted; at most `limit` from `first` on.
  package func sessionIDs(from first: UInt64 = 0, limit: Int = .max) -> [UInt64] {
    let all = control.withLock { Array($0.slots.sessions.numbers.keys) }
    return Array(all.filter { $0 >= first }.sorted().prefix(limit))
  }

  /// What a session has seen; nil when there is none with this SEID.
  package func session(_ seid: UInt64) -> SessionStatistics? {
    control.withLock { control in
      control.slots.sessions.numbers[seid].map { number in
        SessionStatistics(owner(of: number).sessionCells(number))
      }
    }
  }

  /// What all sessions have seen together, those that are gone included.
  package func allSessions() -> SessionStatistics {
    control.withLock { control in
      var sum = SessionStatistics(control.formerSessions)
      for number in control.slots.sessions.numbers.values {
        sum += SessionStatistics(owner(of: number).sessionCells(number))
      }
      return sum
    }
  }

  /// What a URR has measured; nil when there is none with these identifiers.
  package func usage(_ seid: UInt64, urr id: UInt32) -> UsageStatistics? {
    control.withLock { control in
      guard let session = control.slots.sessions.numbers[seid],
        let number = control.slots.urrs.numbers[SlotMap.RuleKey(seid: seid, id: id)]
      else { return nil }
      let cells = owner(of: session).usageCells(number)
      return UsageStatistics(
        uplink: Traffic(packets: cells[0], bytes: cells[1]),
        downlink: Traffic(packets: cells[2], bytes: cells[3]))
    }
  }

  /// The identifiers of a session's URRs, sorted.
  package func urrIDs(of seid: UInt64) -> [UInt32] {
    control.withLock { $0.urrIDs(of: seid) }
  }

  private func owner(of session: UInt32) -> Worker { workers[Int(session) % workers.count] }
}

extension WorkerStatistics {
  /// Nothing done yet.
  package static let zero = WorkerStatistics([UInt64](repeating: 0, count: CounterIndex.count))
}
