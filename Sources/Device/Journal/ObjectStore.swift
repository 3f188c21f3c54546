internal import Bytes
internal import Digests
internal import Platform
internal import Refusal

/// Module images by their SHA-256, beneath `objects/sha256` of the state directory.
///
/// Threading: calls come from one thread at a time (the journal's lock). Each one may block on the disk.
struct ObjectStore: ~Copyable {
  private let directory: Directory

  private init(directory: consuming Directory) {
    self.directory = directory
  }

  /// Opens the store beneath `root` and removes what a crash left half-written.
  static func open(in root: borrowing Directory) throws(SystemError) -> ObjectStore {
    let directory = try root.directory("objects").directory("sha256")
    for name in try directory.names() where name.hasSuffix(Directory.temporarySuffix) {
      try directory.remove(name)
    }
    return ObjectStore(directory: directory)
  }

  /// Keeps `bytes` under their digest, read-only; nothing to do when they are there already.
  borrowing func store(_ bytes: [UInt8], digest: SHA256Digest) throws(Refusal) {
    if let present = try? load(digest), present == bytes { return }
    try directory.replace(digest.hex, with: bytes, mode: 0o400)
  }

  /// Returns the object, whole and with the digest it is named by; nil when there is none.
  borrowing func load(_ digest: SHA256Digest) throws(Refusal) -> [UInt8]? {
    guard let bytes = try directory.read(digest.hex, limit: Journal.objectLimit) else { return nil }
    let found = SHA256Digest(of: bytes)
    guard found == digest else {
      throw Refusal(
        .integrity, "the object '\(directory.path)/\(digest.hex)' is damaged",
        expected: digest.hex, found: found.hex,
        hint: "restore the state directory, or remove it to start from the modules on disk")
    }
    return bytes
  }

  /// What is kept.
  borrowing func digests() throws(SystemError) -> Set<SHA256Digest> {
    Set(try directory.names().compactMap { [UInt8](hex: $0).flatMap { SHA256Digest(bytes: $0) } })
  }

  /// Removes every object but those in `kept`; returns how many went.
  borrowing func collect(keeping kept: Set<SHA256Digest>) throws(SystemError) -> Int {
    let names = Set(kept.map(\.hex))
    var removed = 0
    for name in try directory.names() where !names.contains(name) {
      if try directory.remove(name) { removed += 1 }
    }
    return removed
  }
}
