import Digests
import Journal
import Refusal
import TestSupport

/// What a start finds in a state directory that somebody left.
struct Restart {
  /// What the module in force says; or why there is none.
  let result: String
  let rollbacks: String
  /// Whether the next life is kept from taking patches.
  let isFrozen: Bool
  let lines: [String]
  /// What is not as it should be, whatever was confirmed.
  private(set) var problems: [String] = []

  /// Starts a host on `state`, closes it, and checks the audit log and the objects.
  init(_ site: FaultSite, _ state: String) throws {
    let host = try FaultedHost(site, state: state)
    _ = try host.order("prepare")
    let started = try host.order("start") ?? "ended"
    result = started == "ok " ? try host.order("result") ?? "ended" : started
    rollbacks = try host.order("rollbacks") ?? "ended"
    isFrozen = try host.order("frozen") == "ok true"
    _ = try host.order("close")
    let content = contents(of: "\(state)/audit.jsonl") ?? []
    lines = String(decoding: content, as: UTF8.self).split(separator: "\n").map(String.init)
    do throws(Refusal) {
      try check(state)
    } catch {
      problems.append("\(error)")
    }
    for name in snapshot(of: state).keys where name.hasSuffix(".tmp") {
      problems.append("half-written: \(name)")
    }
  }

  private mutating func check(_ state: String) throws(Refusal) {
    _ = try AuditFiles(inStateDirectory: state).check()
    let journal = try Journal(at: state, now: 1)
    defer { journal.close() }
    for digest in journal.confirmed.neededObjects where try journal.object(digest) == nil {
      problems.append("an object that is needed is gone: \(digest.hex)")
    }
    if try journal.objects() != journal.confirmed.neededObjects {
      problems.append("an object is kept for nobody")
    }
  }
}
