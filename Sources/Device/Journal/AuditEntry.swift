package import Bytes

/// One transition, as the audit log keeps it.
package struct AuditEntry: Sendable {
  /// A verb in the past tense, such as "activated".
  package let kind: String
  /// Nanoseconds since 1970 (UTC).
  package let time: UInt64
  /// What else there is to say; keys in the order in which they are printed.
  package let details: [(String, JSON)]

  /// Creates an entry.
  package init(_ kind: String, time: UInt64, _ details: [(String, JSON)] = []) {
    self.kind = kind
    self.time = time
    self.details = details
  }
}

/// The spelling of audit lines, and the chain that ties each line to the one before it.
enum AuditLine {
  /// Before the first line.
  static let origin = String(repeating: "0", count: 64)
  /// Longest line in bytes; a longer one cannot be ours.
  static let sizeLimit = 1 << 16

  /// The bytes of the line, without its newline; what makes it too long is left out, and that is said.
  static func bytes(_ entry: AuditEntry, number: UInt64, previous: String) -> [UInt8] {
    let line = Array(text(entry, number: number, previous: previous).utf8)
    guard line.count >= sizeLimit else { return line }
    let short = AuditEntry(
      entry.kind, time: entry.time, [("left_out_bytes", .unsigned(UInt64(line.count)))])
    return Array(text(short, number: number, previous: previous).utf8)
  }

  /// The line, without its newline, for entry `number` after a line whose SHA-256 is `previous`.
  static func text(_ entry: AuditEntry, number: UInt64, previous: String) -> String {
    let fields: [(String, JSON)] =
      [
        ("number", .unsigned(number)), ("time", .unsigned(entry.time)),
        ("event", .string(entry.kind)),
      ] + entry.details + [("previous", .string(previous))]
    return JSON.object(fields).text
  }

  /// The number that starts a line, or nil when the line is none of ours.
  static func number(of line: [UInt8]) -> UInt64? {
    let prefix = Array(#"{"number":"#.utf8)
    guard line.starts(with: prefix), line.last == UInt8(ascii: "}") else { return nil }
    let digits = line.dropFirst(prefix.count).prefix { (0x30...0x39).contains($0) }
    return UInt64(String(decoding: digits, as: UTF8.self))
  }

  /// The digest that ends a line, or nil when the line is none of ours.
  static func previous(of line: [UInt8]) -> String? {
    let key = Array(#","previous":""#.utf8)
    let tail = line.suffix(key.count + 64 + 2)
    guard tail.count == key.count + 66, tail.starts(with: key), tail.suffix(2) == Array("\"}".utf8)
    else { return nil }
    let digest = String(decoding: tail.dropFirst(key.count).dropLast(2), as: UTF8.self)
    return [UInt8](hex: digest) == nil ? nil : digest
  }
}
