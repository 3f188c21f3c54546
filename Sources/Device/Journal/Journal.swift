internal import Bytes
package import Digests
internal import Platform
package import Refusal
internal import Verification

/// The state directory of one agent: what is confirmed, what is believed, what happened.
///
/// ```
/// objects/sha256/<hex>   module images, content-addressed, read-only
/// confirmed              which object fills which slot, and which did before; replaced in one step
/// run                    what the process that has the directory is doing, for the one after it
/// trust                  highest sequence per product and module, latest believed time
/// breakers               patches that have failed, and whether any is taken at all
/// audit.jsonl            one hash-chained line per transition
/// ```
///
/// The directory must belong to this user, be writable by nobody else, and is locked while this value
/// lives. `kill -9` at any instruction leaves the old confirmed set or the new one, never a mixture:
/// objects are on the device before the set names them, and `trust` follows `confirmed` (what a crash
/// between the two leaves behind is mended on the next start, from the set itself).
/// Threading: any thread but a worker's; calls are serialised and block on the disk.
package final class Journal: Sendable {
  /// Largest module image in bytes.
  package static let objectLimit = 1 << 30
  /// Largest record in bytes.
  static let recordLimit = 1 << 20
  private static let probeName = "doctor"

  /// Guards the files and what is known of them; nests inside nothing of its own.
  let contents: Guarded<JournalContents>
  /// The directory, for messages.
  package let path: String

  /// Opens the state directory at `path`, making it for this user alone when there is none.
  ///
  /// Everything unreadable is an error: an agent that cannot tell what it confirmed starts nothing.
  package init(at path: String, now: UInt64) throws(Refusal) {
    self.path = path
    let root = try translating { () throws(SystemError) in try Directory.make(path) }
    try root.requirePrivate()
    try root.lock()
    Self.removeLeftovers(in: root)
    let objects = try translating { () throws(SystemError) in try ObjectStore.open(in: root) }
    let audit = try AuditLog.open(in: root, now: now)
    let confirmed = try Self.record(JournalContents.confirmedName, in: root) {
      bytes throws(FormatError) in try ConfirmedSet(parsing: bytes)
    }
    let trusted = try Self.record(JournalContents.trustName, in: root) {
      bytes throws(FormatError) in try TrustedState(parsing: bytes)
    }
    let lastRun = Self.lastRun(in: root)
    // A crash may have come after `confirmed` and before `trust` was replaced.
    var believed = trusted ?? TrustedState()
    believed.ratchet(confirmed?.accepted ?? [:])
    contents = Guarded(
      JournalContents(
        root: root, objects: objects, audit: audit, confirmed: confirmed ?? ConfirmedSet(),
        trusted: believed, lastRun: lastRun))
  }

  /// The record of the last run, nil when there is none to be had.
  ///
  /// Of use to judge the last run by, and no more: a damaged one must not stop a start. Without it nobody gives up a
  /// set that has ended its host again and again, so what may have failed for a moment is tried twice.
  private static func lastRun(in root: borrowing Directory) -> RunRecord? {
    for _ in 0..<2 {
      do throws(Refusal) {
        return try record(JournalContents.runName, in: root) {
          bytes throws(FormatError) in try RunRecord(parsing: bytes)
        }
      } catch {
        continue
      }
    }
    return nil
  }

  deinit { close() }

  /// Gives the directory up, for another agent to take; nothing can be written from here on.
  package func close() {
    contents.withLock { contents in
      guard contents.isOpen else { return }
      contents.settleDoubt()
      if contents.run?.isOver == false {
        contents.run?.deaths = 0
        contents.run?.isOver = true
      }
      // Where this cannot be written, the next start takes the end for a death.
      try? contents.writeRun()
      contents.root.unlock()
      contents.isOpen = false
    }
  }

  /// The set to come up on; its number is 0 before the first confirmation.
  package var confirmed: ConfirmedSet { contents.withLock { $0.confirmed } }

  /// What is believed about the past.
  package var trusted: TrustedState { contents.withLock { $0.trusted } }

  /// Keeps a module image, so that a set may name it.
  package func store(_ bytes: [UInt8], digest: SHA256Digest) throws(Refusal) {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      try contents.objects.store(bytes, digest: digest)
    }
  }

  /// Returns a module image, whole and with the right digest; nil when it is not kept.
  package func object(_ digest: SHA256Digest) throws(Refusal) -> [UInt8]? {
    try contents.withLock { contents throws(Refusal) in try contents.objects.load(digest) }
  }

  /// Makes `set` what the next start comes up on; its number becomes one more than the last, and the set
  /// before it what a start falls back to.
  ///
  /// When this returns the set is on the device. When it throws, the old set still is.
  package func confirm(_ set: ConfirmedSet) throws(Refusal) {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      var next = set
      next.number = contents.confirmed.number &+ 1
      next.previous = contents.confirmed.modules
      next.abandoned = nil
      for digest in next.modules.values where try contents.objects.load(digest) == nil {
        throw Refusal(
          .state, "a set cannot be confirmed before its objects are kept", found: digest.hex)
      }
      try contents.replaceConfirmed(with: next)
      contents.trusted.ratchet(next.accepted)
      // What cannot be written now is mended from the set on the next start.
      try? contents.root.replace(JournalContents.trustName, with: contents.trusted.encoded)
    }
  }

  /// Believes the clock: no earlier time (seconds since 1970, UTC) will be plausible from here on.
  package func believe(clock now: UInt64) throws(Refusal) {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      guard now > contents.trusted.clockFloor else { return }
      contents.trusted.clockFloor = now
      try contents.root.replace(JournalContents.trustName, with: contents.trusted.encoded)
    }
  }

  /// The objects that are kept.
  package func objects() throws(Refusal) -> Set<SHA256Digest> {
    try contents.withLock { contents throws(Refusal) in
      try translating { () throws(SystemError) in try contents.objects.digests() }
    }
  }

  /// The number that the next line of the audit log gets; it rises over restarts.
  package var nextLine: UInt64 { contents.withLock { $0.audit.next } }

  /// Removes the objects that neither the confirmed set, nor the one before it, nor `kept` names; returns
  /// how many.
  @discardableResult
  package func collect(keeping kept: Set<SHA256Digest>) throws(Refusal) -> Int {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      // What the device may hold is needed, too.
      guard !contents.isInDoubt else { return 0 }
      let needed = kept.union(contents.confirmed.neededObjects)
      do throws(SystemError) {
        return try contents.objects.collect(keeping: needed)
      } catch {
        throw error.refusal
      }
    }
  }

  /// Checks that the directory is still this user's alone and can be written; returns what was found.
  package func check() throws(Refusal) -> String {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      try contents.root.requirePrivate()
      // A block of its own: an empty file fits a full disk.
      try contents.root.replace(Self.probeName, with: [UInt8](repeating: 0, count: 4096))
      _ = try translating { () throws(SystemError) in try contents.root.remove(Self.probeName) }
      return "\(path), \(contents.confirmed.number) confirmations"
    }
  }

  /// Walks the chain of the audit log; returns what was found.
  ///
  /// Complexity: reads and hashes at most 16 MiB; only the reading keeps others from the journal.
  package func checkAudit() throws(Refusal) -> String {
    let evidence = try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      return try contents.audit.evidence(in: contents.root)
    }
    let report = try evidence.check()
    return "\(report.lines) lines, \(report.first) to \(report.last), each with the digest of the"
      + " one before"
  }

  /// Appends one line to the audit log and waits until it is on the device.
  package func record(_ entry: AuditEntry) throws(Refusal) {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      contents.settleDoubt()
      try contents.audit.append(entry, in: contents.root)
    }
  }

  /// Removes what a crash left half-written; what cannot be removed is in the way of its own record only.
  private static func removeLeftovers(in root: borrowing Directory) {
    for name in (try? root.names()) ?? [] where name.hasSuffix(Directory.temporarySuffix) {
      _ = try? root.remove(name)
    }
    _ = try? root.remove(probeName)
  }

  static func record<Record>(
    _ name: String, in root: borrowing Directory,
    parsing: ([UInt8]) throws(FormatError) -> Record
  ) throws(Refusal) -> Record? {
    guard let bytes = try root.read(name, limit: recordLimit) else { return nil }
    do throws(FormatError) {
      return try parsing(bytes)
    } catch {
      var refusal = Refusal(error, in: "'\(root.path)/\(name)'")
      refusal.hint = "restore the state directory; removing it starts from the modules on disk"
      throw refusal
    }
  }
}

/// Runs `body` and gives its failure in the terms of the one error table.
func translating<Value: ~Copyable>(
  _ body: () throws(SystemError) -> Value
) throws(Refusal) -> Value {
  do throws(SystemError) {
    return try body()
  } catch {
    throw error.refusal
  }
}
