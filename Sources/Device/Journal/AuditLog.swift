internal import Bytes
internal import Digests
internal import Glibc
internal import Platform
internal import Refusal

/// The append-only file `audit.jsonl`: one line per transition, each with the SHA-256 of the line before.
///
/// A line that was torn by a crash is cut off on start, and the cut is a line of its own. At
/// `rotationSize` the file becomes `audit.1.jsonl` and the chain goes on in a new one.
/// Threading: calls come from one thread at a time (the journal's lock). Each one may block on the disk.
struct AuditLog: ~Copyable {
  static let name = "audit.jsonl"
  static let rotatedName = "audit.1.jsonl"
  /// Size in bytes at which the file is rotated.
  static let rotationSize = 8 << 20

  private var file: FileDescriptor
  private let subject: String
  private var size: Int
  /// Number of the next line.
  private(set) var next: UInt64
  private var previous: String

  private init(
    file: consuming FileDescriptor, subject: String, size: Int, after last: [UInt8]?
  ) {
    self.file = file
    self.subject = subject
    self.size = size
    next = (last.flatMap(AuditLine.number(of:)) ?? 0) &+ 1
    previous = last.map { SHA256Digest(of: $0).hex } ?? AuditLine.origin
  }

  /// Opens the log beneath `root`, mends its end and says so in it.
  static func open(in root: borrowing Directory, now: UInt64) throws(Refusal) -> AuditLog {
    let content = try root.read(name, limit: rotationSize + AuditLine.sizeLimit) ?? []
    let whole = (content.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
    var last = content[..<whole].split(separator: UInt8(ascii: "\n")).last.map { Array($0) }
    if last == nil { last = try lastLine(of: root) }
    let file = try openFile(in: root, size: whole)
    var log = AuditLog(file: file, subject: "\(root.path)/\(name)", size: whole, after: last)
    if whole < content.count {
      let cut = AuditEntry(
        "repaired", time: now,
        [("detail", .string("cut off \(content.count - whole) bytes of a torn last line"))])
      try log.append(cut, in: root)
    }
    return log
  }

  /// Opens the file for appending after its first `size` bytes.
  private static func openFile(
    in root: borrowing Directory, size: Int
  ) throws(Refusal) -> FileDescriptor {
    do throws(SystemError) {
      let file = try root.open(name, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
      guard ftruncate(file.number, off_t(size)) == 0 else {
        throw SystemError.last("truncate", "\(root.path)/\(name)")
      }
      try root.synchronize()
      return file
    } catch {
      throw error.refusal
    }
  }

  /// Appends one line and waits until it is on the device.
  mutating func append(_ entry: AuditEntry, in root: borrowing Directory) throws(Refusal) {
    let line = Array(AuditLine.text(entry, number: next, previous: previous).utf8)
    do throws(SystemError) {
      if size >= Self.rotationSize { try rotate(in: root) }
      do throws(SystemError) {
        try file.write(line + [UInt8(ascii: "\n")], to: subject)
      } catch {
        // Half a line must not stand where the next whole one will be appended.
        _ = ftruncate(file.number, off_t(size))
        throw error
      }
      size += line.count + 1
      next &+= 1
      previous = SHA256Digest(of: line).hex
      try file.synchronize(subject)
    } catch {
      throw error.refusal
    }
  }

  /// Both parts as they lie on the disk, and the last line that was written.
  func evidence(in root: borrowing Directory) throws(Refusal) -> AuditEvidence {
    let limit = Self.rotationSize + AuditLine.sizeLimit
    return AuditEvidence(
      rotated: try root.read(Self.rotatedName, limit: limit) ?? [],
      current: try root.read(Self.name, limit: limit) ?? [], lastNumber: next &- 1,
      lastDigest: previous)
  }

  private mutating func rotate(in root: borrowing Directory) throws(SystemError) {
    try root.rename(Self.name, to: Self.rotatedName)
    file = try root.open(Self.name, O_WRONLY | O_CREAT | O_APPEND | O_EXCL, mode: 0o600)
    try root.synchronize()
    size = 0
  }

  private static func lastLine(of root: borrowing Directory) throws(Refusal) -> [UInt8]? {
    let content = try root.read(rotatedName, limit: rotationSize + AuditLine.sizeLimit) ?? []
    return content.split(separator: UInt8(ascii: "\n")).last.map { Array($0) }
  }
}
