internal import Digests
package import Refusal

/// Checks a chain of audit lines, without the log's owner.
package enum AuditChain {
  /// How a chain stands.
  package struct Report: Equatable, Sendable {
    /// Lines that were checked.
    package let lines: UInt64
    /// Whether the last line ends as a line does.
    package let ended: Bool
    /// Number of the first and of the last line; 0 without one.
    package let first: UInt64
    package let last: UInt64
    /// SHA-256 of the last line, in hexadecimal: what the next line must name.
    package let digest: String
  }

  /// Checks every line of `content` against the one before it.
  ///
  /// - Parameter continued: Whether lines before the first one were rotated away.
  package static func verify(_ content: [UInt8], continued: Bool) throws(Refusal) -> Report {
    var previous: String? = continued ? nil : AuditLine.origin
    var expected: UInt64? = continued ? nil : 1
    var (lines, first) = (UInt64(0), UInt64(0))
    let ended = content.isEmpty || content.last == UInt8(ascii: "\n")
    let whole = ended ? content[...] : content[..<((content.lastIndex(of: 10) ?? -1) + 1)]
    for slice in whole.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true) {
      let line = Array(slice)
      guard let number = AuditLine.number(of: line), let named = AuditLine.previous(of: line) else {
        throw Refusal(.format, "line \(lines + 1) is not an audit line")
      }
      guard expected.map({ $0 == number }) ?? true, previous.map({ $0 == named }) ?? true else {
        throw Refusal(
          .integrity, "the audit chain is broken before line \(lines + 1)",
          expected: "number \(expected ?? number) after \(previous ?? named)",
          found: "number \(number) after \(named)")
      }
      if lines == 0 { first = number }
      previous = SHA256Digest(of: line).hex
      expected = number &+ 1
      lines += 1
    }
    return Report(
      lines: lines, ended: ended, first: first, last: lines == 0 ? 0 : (expected ?? 1) &- 1,
      digest: previous ?? AuditLine.origin)
  }
}

/// A log as it lies on the disk, and how its owner remembers its end.
struct AuditEvidence: Sendable {
  let rotated: [UInt8]
  let current: [UInt8]
  let lastNumber: UInt64
  let lastDigest: String

  /// Walks the chain from the oldest line that is kept to the last one that was written.
  ///
  /// The owner's memory shows what the chain alone cannot: that its end was cut off.
  func check() throws(Refusal) -> AuditChain.Report {
    let lines = rotated + current
    let oldest = AuditLine.number(of: Array(lines.prefix { $0 != UInt8(ascii: "\n") })) ?? 1
    guard oldest == 1 || !rotated.isEmpty else {
      throw Refusal(
        .integrity, "the beginning of the audit log is missing",
        expected: "line 1, or the part before the last rotation", found: "line \(oldest)")
    }
    let report = try AuditChain.verify(lines, continued: oldest != 1)
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
