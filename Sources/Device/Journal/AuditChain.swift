internal import Digests
package import Refusal

/// Checks a chain of audit lines, without the log's owner.
package enum AuditChain {
  /// How a chain stands.
  package struct Report: Equatable, Sendable {
    /// Lines that were checked.
    package let lines: UInt64
    /// Bytes of a last line that does not end as a line does; 0 where it does.
    package let tornBytes: Int
    /// Number of the first and of the last line; 0 without one.
    package let first: UInt64
    package let last: UInt64
    /// SHA-256 of the last line, in hexadecimal: what the next line must name.
    package let digest: String

    /// Whether the last line ends as a line does.
    package var ended: Bool { tornBytes == 0 }
  }

  /// Checks every line of `content` against the one before it.
  ///
  /// - Parameter continued: Whether lines before the first one were rotated away.
  package static func verify(_ content: [UInt8], continued: Bool) throws(Refusal) -> Report {
    var walk = AuditWalk(continued: continued)
    try walk.check(content, of: nil)
    return walk.report
  }
}

/// A walk along the chain, from its oldest line on, over one file after the other.
struct AuditWalk {
  /// Digest of the line before, or what the first one must name; nil: not known, because it was rotated away.
  private var previous: String?
  private var expected: UInt64?
  private var lines: UInt64 = 0
  private var first: UInt64 = 0
  private var tornBytes = 0
  /// Told the number and the digest of each line.
  private let visit: (UInt64, String) -> Void

  init(continued: Bool, visit: @escaping (UInt64, String) -> Void = { _, _ in }) {
    previous = continued ? nil : AuditLine.origin
    expected = continued ? nil : 1
    self.visit = visit
  }

  /// Checks the lines of the file `name`; the walk ends at the first one that is not what the one before
  /// makes it.
  mutating func check(_ content: [UInt8], of name: String?) throws(Refusal) {
    let place = name.map { " of \($0)" } ?? ""
    guard tornBytes == 0 else {
      throw Refusal(.integrity, "a line that does not end stands before line 1\(place)")
    }
    let ended = (content.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
    tornBytes = content.count - ended
    var count = 0
    for slice in content[..<ended].dropLast().split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) where ended > 0
    {
      count += 1
      try check(Array(slice), at: "line \(count)\(place)")
    }
  }

  private mutating func check(_ line: [UInt8], at place: String) throws(Refusal) {
    guard let number = AuditLine.number(of: line), let named = AuditLine.previous(of: line) else {
      throw Refusal(.integrity, "the audit log is broken: \(place) is not an audit line", at: place)
    }
    guard expected.map({ $0 == number }) ?? true, previous.map({ $0 == named }) ?? true else {
      throw Refusal(
        .integrity, "the audit chain is broken before \(place)",
        expected: "number \(expected ?? number) after \(previous ?? named)",
        found: "number \(number) after \(named)", at: place)
    }
    if lines == 0 { first = number }
    let digest = SHA256Digest(of: line).hex
    previous = digest
    expected = number &+ 1
    lines += 1
    visit(number, digest)
  }

  var report: AuditChain.Report {
    AuditChain.Report(
      lines: lines, tornBytes: tornBytes, first: first,
      last: lines == 0 ? 0 : (expected ?? 1) &- 1, digest: previous ?? AuditLine.origin)
  }
}
