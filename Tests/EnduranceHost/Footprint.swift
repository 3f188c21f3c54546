import CEnduranceLoad
import Glibc
import TestSupport

/// Writes a line to standard error, at once.
func say(_ text: String) {
  let bytes = Array("endurance: \(text)\n".utf8)
  // SAFETY: the pointer is used for the call alone.
  _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

/// What this process holds of what a leak would make grow, at one moment.
struct Footprint: Sendable {
  /// Memory that is no file's, in KiB: heap, stacks, relocated data.
  let memory: UInt64
  let descriptors: Int
  let threads: Int
  /// Module images that are mapped.
  let images: Int
  /// Files in the object store, and bytes of the audit log.
  let objects: Int
  let auditBytes: Int

  /// Looks now; the heap is trimmed first, so that what was freed does not count.
  static func now(state: String) -> Footprint {
    endurance_trim()
    let status = text("/proc/self/status").split(separator: "\n")
    let memory = status.first { $0.hasPrefix("RssAnon:") }
      .flatMap { $0.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first }
    let maps = text("/proc/self/maps").split(separator: "\n")
      .filter { $0.contains("memfd:hitless:") }
      .compactMap { $0.split(separator: " ", omittingEmptySubsequences: true).dropFirst(4).first }
    let audit = names(in: state).filter { $0.hasPrefix("audit") }
      .reduce(0) { $0 + (contents(of: "\(state)/\($1)")?.count ?? 0) }
    return Footprint(
      memory: memory.flatMap { UInt64($0) } ?? 0, descriptors: names(in: "/proc/self/fd").count,
      threads: names(in: "/proc/self/task").count, images: Set(maps).count,
      objects: names(in: "\(state)/objects/sha256").count, auditBytes: audit)
  }

  /// The same, or one that is taken later: threads whose work is done need a processor to end.
  func settled(asIn before: Footprint?, _ look: () -> Footprint) -> Footprint {
    var found = self
    for _ in 0..<100 where found.threads > before?.threads ?? .max {
      usleep(100_000)
      found = look()
    }
    return found
  }

  private static func text(_ path: String) -> String {
    String(decoding: contents(of: path) ?? [], as: UTF8.self)
  }

  var json: String {
    "{\"memory_kib\": \(memory), \"descriptors\": \(descriptors), \"threads\": \(threads), "
      + "\"images\": \(images), \"objects\": \(objects), \"audit_bytes\": \(auditBytes)}"
  }
}
