import Digests
import Generator
import Glibc
import Journal
import Refusal
import Signing
import TestSupport
import Testing

/// What all faulted hosts of a suite begin with: three builds of a module, a key, two patches, and a state
/// directory in which the first patch is confirmed.
final class FaultSite: Sendable {
  /// What `result` says before, with the first and with the second patch.
  static let results = ["ok 31", "ok 32", "ok 33"]

  let directory: TemporaryDirectory
  let module: String
  let key: String
  let patches: [String]
  /// The state directory to begin with.
  let base: String

  init() throws {
    let directory = try TemporaryDirectory()
    self.directory = directory
    base = directory.path("base")
    let secret = try SigningKey.generate()
    key = try directory.write("vendor.pub", try secret.publicKey.pem)
    let images = try (0..<3).map { number -> [UInt8] in
      var module = TestModule()
      module.name = "alpha"
      module.version = (1, 0, UInt32(number))
      module.interface = (0x61, 1)
      module.markedConstant = number + 1
      try module.build("\(number).so", in: directory)
      return try directory.bytes("\(number).so")
    }
    module = directory.path("0.so")
    var patches: [String] = []
    for number in 0..<2 {
      let pair = PatchRequest.Pair(
        base: images[number], target: images[number + 1], names: ("base", "target"))
      var request = PatchRequest(pairs: [pair], keys: [secret])
      request.product = "upf"
      request.release = "r\(number + 1)"
      request.sequence = UInt64(number + 1)
      patches.append(
        try directory.write("\(number).hlp", try PatchBuilder.build(request).bytes))
    }
    self.patches = patches
    let host = try FaultedHost(self, state: base)
    for order in ["start", "install \(patches[0])", "activate", "confirm", "close"] {
      try #require(try host.order(order)?.hasPrefix("ok") == true)
    }
  }

  /// A state directory of its own for one host, as a copy of `original` or of the one to begin with.
  func copy(_ name: String, of original: String? = nil) throws -> String {
    let copy = directory.path(name)
    removeTree(copy)
    try write(snapshot(of: original ?? base), to: copy)
    return copy
  }

  /// Writes a directory from what `snapshot` says of another.
  func write(_ files: [String: [UInt8]], to path: String) throws {
    unsafe mkdir(path, 0o700)
    for name in files.keys.sorted() {
      if name.hasSuffix("/") {
        unsafe mkdir("\(path)/\(name)", 0o700)
      } else {
        guard let file = unsafe fopen("\(path)/\(name)", "wb") else {
          throw FaultedHost.Failure(description: "cannot write \(path)/\(name)")
        }
        let bytes = files[name] ?? []
        // SAFETY: the array has as many bytes as are written; the file is open.
        _ = unsafe fwrite(bytes, 1, bytes.count, file)
        _ = unsafe fclose(file)
      }
    }
  }
}

/// The orders of a life, and what is confirmed and frozen after each.
enum Life {
  /// Whether a start may find the agent frozen after `verb`, which was done to its end or not.
  static func isFrozen(after verb: String, isDone: Bool) -> [Bool] {
    switch verb {
    case "freeze": isDone ? [true] : [false, true]
    case "release": isDone ? [false] : [false, true]
    default: [false]
    }
  }

  /// Index in `FaultSite.results` of what was confirmed before and after `confirm`.
  static let (old, new) = (1, 2)

  static func orders(_ site: FaultSite) -> [String] {
    [
      "start", "install \(site.patches[1])", "activate", "rollback", "activate", "confirm",
      "freeze", "release", "close",
    ]
  }
}

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
