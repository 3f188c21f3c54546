internal import Platform
package import Refusal

/// The audit log as it lies on the disk: the part before the last rotation, and the one that is written to.
///
/// Read without the owner's lock, so that an auditor need not wait for the host to end.
package struct AuditFiles: Equatable, Sendable {
  /// Name of the file that is written to.
  package static let name = AuditLog.name
  /// Name of the part before the last rotation.
  package static let rotatedName = AuditLog.rotatedName

  /// Most bytes that one part has.
  package static let sizeLimit = AuditLog.fileLimit

  package let rotated: [UInt8]
  package let current: [UInt8]

  init(rotated: [UInt8], current: [UInt8]) {
    self.rotated = rotated
    self.current = current
  }

  /// Reads both files of the state directory at `path`.
  package init(inStateDirectory path: String) throws(Refusal) {
    let root: Directory
    do throws(SystemError) {
      root = try Directory.open(path)
    } catch {
      throw error.refusal
    }
    // Between two readings the owner may rotate, and write on.
    for _ in 0..<4 {
      let before = try root.read(Self.rotatedName, limit: AuditLog.fileLimit)
      let current = try root.read(Self.name, limit: AuditLog.fileLimit)
      guard try root.read(Self.rotatedName, limit: AuditLog.fileLimit) == before else { continue }
      guard before != nil || current != nil else {
        throw Refusal(
          .path, "there is no audit log in '\(path)'",
          hint: "name the state directory of a host: the one with 'confirmed' and 'audit.jsonl'")
      }
      self.init(rotated: before ?? [], current: current ?? [])
      return
    }
    throw Refusal(.race, "the audit log in '\(path)' is rotated faster than it can be read")
  }

  /// Walks the chain from the oldest line that is kept to the last one.
  ///
  /// What the chain alone cannot show is that its end was cut off; whoever remembers a line of it can say
  /// so: `known` is the number and the SHA-256 of one.
  package func check(
    known: (number: UInt64, digest: String)? = nil
  ) throws(Refusal) -> AuditChain.Report {
    let oldest = AuditLine.number(of: Array((rotated + current).prefix { $0 != 10 })) ?? 1
    guard oldest == 1 || !rotated.isEmpty else {
      throw Refusal(
        .integrity, "the beginning of the audit log is missing",
        expected: "line 1, or the part before the last rotation", found: "line \(oldest)")
    }
    var found: String?
    var walk = AuditWalk(continued: oldest != 1) { number, digest in
      if number == known?.number { found = digest }
    }
    if !rotated.isEmpty { try walk.check(rotated, of: Self.rotatedName) }
    try walk.check(current, of: Self.name)
    let report = walk.report
    guard let known else { return report }
    guard let found else {
      throw Refusal(
        known.number < report.first ? .state : .integrity,
        "the audit log holds no line of number \(known.number)",
        expected: "\(known.number), \(known.digest)",
        found: "\(report.first) to \(report.last)",
        hint: known.number < report.first
          ? "it was rotated away: keep a newer one"
          : "the end of the log was cut off, or it is another log")
    }
    guard found == known.digest else {
      throw Refusal(
        .integrity, "line \(known.number) of the audit log is another one than before",
        expected: known.digest, found: found, hint: "the log was written anew")
    }
    return report
  }

  /// The lines that are whole, oldest first, without their ends.
  package var lines: [[UInt8]] {
    let all = rotated + current
    let whole = all[..<((all.lastIndex(of: 10) ?? -1) + 1)]
    return whole.split(separator: 10).map { Array($0) }
  }
}

/// A log as it lies on the disk, and how its owner remembers its end.
struct AuditEvidence: Sendable {
  let files: AuditFiles
  let lastNumber: UInt64
  let lastDigest: String

  /// Walks the chain; the owner's memory shows that its end was cut off.
  func check() throws(Refusal) -> AuditChain.Report {
    let report = try files.check()
    guard report.last == lastNumber, report.digest == lastDigest, report.ended else {
      throw Refusal(
        .integrity, "the audit log does not end with the line that was written last",
        expected: "number \(lastNumber), \(lastDigest)",
        found: "number \(report.last), \(report.digest)",
        hint: "somebody has changed it while the host was running")
    }
    return report
  }
}
