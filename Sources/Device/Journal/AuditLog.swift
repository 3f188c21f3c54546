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
  /// Most bytes that a file has.
  static let fileLimit = rotationSize + AuditLine.sizeLimit

  private var file: FileDescriptor
  private let subject: String
  private var size: Int
  /// Whether part of a line may stand behind the first `size` bytes.
  private var isTorn = false
  /// Whether the name of the file may not be on the device yet.
  private var isNameLoose = false
  /// What was done to the log itself and is not written yet: it comes before the next line.
  private var owed: AuditEntry?
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
    let content = try root.read(name, limit: fileLimit) ?? []
    let whole = (content.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
    var last = content[..<whole].split(separator: UInt8(ascii: "\n")).last.map { Array($0) }
    if last == nil { last = try lastLine(of: root) }
    let file = try openFile(in: root, size: whole)
    var log = AuditLog(file: file, subject: "\(root.path)/\(name)", size: whole, after: last)
    if whole < content.count {
      log.owed = AuditEntry(
        "repaired", time: now,
        [("detail", .string("cut off \(content.count - whole) bytes of a torn last line"))])
      // A full disk must not keep a host from starting.
      try? log.appendOwed(in: root)
    }
    return log
  }

  /// Opens the file for appending after its first `size` bytes.
  private static func openFile(
    in root: borrowing Directory, size: Int
  ) throws(Refusal) -> FileDescriptor {
    do throws(SystemError) {
      let file = try root.open(name, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
      file.hideFromChildren()
      try file.truncate(to: size, "\(root.path)/\(name)")
      try root.synchronize()
      return file
    } catch {
      throw error.refusal
    }
  }

  /// Appends one line and waits until it is on the device; when it throws, the line is not in the log.
  mutating func append(_ entry: AuditEntry, in root: borrowing Directory) throws(Refusal) {
    try appendOwed(in: root)
    try write(entry, in: root)
  }

  private mutating func appendOwed(in root: borrowing Directory) throws(Refusal) {
    guard let entry = owed else { return }
    try write(entry, in: root)
    owed = nil
  }

  private mutating func write(_ entry: AuditEntry, in root: borrowing Directory) throws(Refusal) {
    let line = AuditLine.bytes(entry, number: next, previous: previous)
    do throws(SystemError) {
      if isTorn { try cutOff() }
      if size >= Self.rotationSize { try rotate(in: root) }
      if isNameLoose { try root.synchronize() }
      isNameLoose = false
      do throws(SystemError) {
        try file.write(line + [UInt8(ascii: "\n")], to: subject)
        try file.synchronize(subject)
      } catch {
        // Half a line must not stand where the next whole one will be appended, and no line may stand
        // before it of which the device may have nothing.
        isTorn = true
        try? cutOff()
        throw error
      }
    } catch {
      throw error.refusal
    }
    size += line.count + 1
    next &+= 1
    previous = SHA256Digest(of: line).hex
  }

  private mutating func cutOff() throws(SystemError) {
    try file.truncate(to: size, subject)
    isTorn = false
  }

  /// Both parts as they lie on the disk, and the last line that was written.
  func evidence(in root: borrowing Directory) throws(Refusal) -> AuditEvidence {
    let rotated = try root.read(Self.rotatedName, limit: Self.fileLimit) ?? []
    let current = try root.read(Self.name, limit: Self.fileLimit) ?? []
    return AuditEvidence(
      files: AuditFiles(rotated: rotated, current: current), lastNumber: next &- 1,
      lastDigest: previous)
  }

  /// Goes on in a new file; may be tried again when it failed half-way.
  private mutating func rotate(in root: borrowing Directory) throws(SystemError) {
    do throws(SystemError) {
      try root.rename(Self.name, to: Self.rotatedName)
    } catch  where error.code == ENOENT {
      // It has its new name already, and the new file could not be made the last time.
    }
    file = try root.open(Self.name, O_WRONLY | O_CREAT | O_APPEND | O_EXCL, mode: 0o600)
    file.hideFromChildren()
    size = 0
    isNameLoose = true
  }

  private static func lastLine(of root: borrowing Directory) throws(Refusal) -> [UInt8]? {
    let content = try root.read(rotatedName, limit: fileLimit) ?? []
    return content.split(separator: UInt8(ascii: "\n")).last.map { Array($0) }
  }
}
