package import Bytes

extension UserPlane {
  /// Most sessions in one answer.
  package static let sessionReportLimit = 10_000

  /// Everything but the sessions, read at one moment per worker.
  package func report() -> JSON {
    let workers = workerStatistics()
    let all = workers.reduce(into: WorkerStatistics.zero) { $0.add($1) }
    return .object([
      ("accounting", accounting(all, workers)), ("total", all.json),
      ("n3_kernel_drops", .unsigned(kernelDrops)), ("tables", tables.json),
      ("workers", .array(workers.map(\.json))),
    ])
  }

  /// The account alone.
  package func accountingReport() -> JSON {
    let workers = workerStatistics()
    return accounting(workers.reduce(into: WorkerStatistics.zero) { $0.add($1) }, workers)
  }

  /// One session with its usage; nil when there is none with this SEID.
  package func sessionReport(_ seid: UInt64) -> JSON? {
    session(seid).map { statistics in
      let usage = urrIDs(of: seid).compactMap { id in
        self.usage(seid, urr: id).map { ("\(id)", $0.json) }
      }
      return .object([
        ("seid", .unsigned(seid)), ("traffic", statistics.json), ("urrs", .object(usage)),
      ])
    }
  }

  /// The sum over all sessions, those that are gone included, and the first of them one by one.
  package func sessionsReport(from first: UInt64, limit: Int) -> JSON {
    let ids = sessionIDs(from: first, limit: min(limit, Self.sessionReportLimit))
    return .object([
      ("count", .integer(Int64(tables.sessions))), ("total", allSessions().json),
      ("sessions", .array(ids.compactMap { sessionReport($0) })),
    ])
  }

  /// Balanced means: every worker for itself, and all of them together.
  private func accounting(_ all: WorkerStatistics, _ workers: [WorkerStatistics]) -> JSON {
    let account = Account(all)
    guard case .object(var entries) = account.json else { return account.json }
    let isBalanced = account.isBalanced && workers.allSatisfy { Account($0).isBalanced }
    entries[0] = ("balanced", .bool(isBalanced))
    return .object(entries)
  }
}
