internal import Bytes
internal import Digests

/// The entries of one map of the manifest, taken out one by one with checks.
///
/// Positions inside the manifest are named by `path` ("component 2"), because the items carry no
/// offsets; the byte offset of these errors is that of the manifest.
struct ManifestFields {
  private var entries: [UInt64: CBOR] = [:]
  private let path: String

  /// Takes the entries of `item`, a map whose keys are unsigned numbers.
  init(_ item: CBOR, path: String) throws(FormatError) {
    guard let map = item.mapValue else {
      throw FormatError(.illegal("\(path) that is not a map"), at: 0)
    }
    self.path = path
    for (key, value) in map {
      guard let number = key.unsignedValue else {
        throw FormatError(.illegal("a key of \(path) that is not an unsigned number"), at: 0)
      }
      entries[number] = value
    }
  }

  /// Throws when a key is left over that a reader of this version must know.
  func requireAllKnown(_ known: some Sequence<UInt64>, ignoringFrom first: UInt64 = .max)
    throws(FormatError)
  {
    let known = Set(known)
    if let key = entries.keys.sorted().first(where: { $0 < first && !known.contains($0) }) {
      throw FormatError(.unsupported("key \(key) of \(path)"), at: 0)
    }
  }

  /// The item under `key`, if there is one.
  func optional(_ key: UInt64) -> CBOR? { entries[key] }

  /// The item under `key`.
  func required(_ key: UInt64) throws(FormatError) -> CBOR {
    guard let item = entries[key] else { throw illegal(key, "missing") }
    return item
  }

  /// The number under `key`; `absent` is what it means when it is not there, and must not be spelled.
  func number(_ key: UInt64, absent: UInt64? = nil) throws(FormatError) -> UInt64 {
    if let absent, entries[key] == nil { return absent }
    guard let value = try required(key).unsignedValue else { throw illegal(key, "no number") }
    guard value != absent else {
      throw FormatError(.notCanonical("a default (key \(key) of \(path))"), at: 0)
    }
    return value
  }

  /// The text under `key`.
  func text(_ key: UInt64) throws(FormatError) -> String {
    guard let value = try required(key).textValue else { throw illegal(key, "no text") }
    return value
  }

  /// The label under `key`.
  func label(_ key: UInt64) throws(FormatError) -> String {
    let value = try text(key)
    guard PatchName.isLabel(value) else { throw illegal(key, "no label") }
    return value
  }

  /// Exactly `count` numbers under `key`.
  func numbers(_ key: UInt64, count: Int) throws(FormatError) -> [UInt64] {
    let items = try required(key).arrayValue?.compactMap(\.unsignedValue)
    guard let items, items.count == count, try required(key).arrayValue?.count == count else {
      throw illegal(key, "not \(count) numbers")
    }
    return items
  }

  /// The items of the list under `key`, which is left out when it is empty.
  func list(_ key: UInt64, limit: Int) throws(FormatError) -> [CBOR] {
    guard let item = entries[key] else { return [] }
    guard let items = item.arrayValue else { throw illegal(key, "no list") }
    guard !items.isEmpty else {
      throw FormatError(.notCanonical("an empty list (key \(key) of \(path))"), at: 0)
    }
    guard items.count <= limit else {
      throw FormatError(
        .overLimit(
          "the number of entries of key \(key) of \(path)", found: UInt64(items.count),
          limit: UInt64(limit)), at: 0)
    }
    return items
  }

  /// The error for a value under `key` that is not what it must be.
  func illegal(_ key: UInt64, _ defect: String) -> FormatError {
    FormatError(.illegal("key \(key) of \(path): \(defect)"), at: 0)
  }

  /// The error for a number under `key` that is over its cap.
  func overLimit(_ key: UInt64, _ what: String, _ found: UInt64, _ limit: UInt64) -> FormatError {
    FormatError(.overLimit("\(what) (key \(key) of \(path))", found: found, limit: limit), at: 0)
  }
}
