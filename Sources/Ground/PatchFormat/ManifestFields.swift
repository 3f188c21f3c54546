internal import Bytes
internal import Digests

/// The entries of one map of the manifest, taken out one by one with checks.
///
/// Errors name the entry by its key and by its offset in the manifest. Items carry no offsets; but as
/// every item has one spelling, what precedes an entry says where it begins.
struct ManifestFields {
  private var entries: [UInt64: CBOR] = [:]
  private let path: String
  private let start: Int

  /// Takes the entries of `item`, a map whose keys are unsigned numbers, at `start` in the manifest.
  init(_ item: CBOR, path: String, at start: Int) throws(FormatError) {
    guard let map = item.mapValue else {
      throw FormatError(.illegal("\(path) that is not a map"), at: start)
    }
    self.path = path
    self.start = start
    for (key, value) in map {
      guard let number = key.unsignedValue else {
        throw FormatError(.illegal("a key of \(path) that is not an unsigned number"), at: start)
      }
      entries[number] = value
    }
  }

  /// Where the key of an entry stands in the manifest; where the map does when there is no such entry.
  ///
  /// Complexity: O(n) in the size of the map; only errors and components ask.
  func offset(of key: UInt64) -> Int {
    guard entries[key] != nil else { return start }
    return entries.filter { $0.key < key }.reduce(start + headSize(entries.count)) {
      $0 + CBOR.unsigned($1.key).encoded.count + $1.value.encoded.count
    }
  }

  /// Where each item of the list under `key` stands in the manifest.
  func itemOffsets(of key: UInt64) -> [Int] {
    let items = entries[key]?.arrayValue ?? []
    var offset = offset(of: key) + CBOR.unsigned(key).encoded.count + headSize(items.count)
    return items.map { item in
      defer { offset += item.encoded.count }
      return offset
    }
  }

  private func headSize(_ count: Int) -> Int { CBOR.unsigned(UInt64(count)).encoded.count }

  /// Throws when a key is left over that a reader of this version must know.
  func requireAllKnown(_ known: some Sequence<UInt64>, ignoringFrom first: UInt64 = .max)
    throws(FormatError)
  {
    let known = Set(known)
    if let key = entries.keys.sorted().first(where: { $0 < first && !known.contains($0) }) {
      throw unsupported(key, "key \(key) of \(path)")
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
      throw FormatError(
        .notCanonical("a default (key \(key) of \(path))"), at: offset(of: key))
    }
    return value
  }

  /// The text under `key`.
  func text(_ key: UInt64) throws(FormatError) -> String {
    guard let value = try required(key).textValue else { throw illegal(key, "no text") }
    return value
  }

  /// The name under `key`; `what` says of what.
  func name(_ key: UInt64, of what: String) throws(FormatError) -> String {
    let value = try text(key)
    guard PatchName.isName(value) else {
      throw FormatError(.badName("\(what) \(PatchName.quoted(value))"), at: offset(of: key))
    }
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
      throw FormatError(
        .notCanonical("an empty list (key \(key) of \(path))"), at: offset(of: key))
    }
    guard items.count <= limit else {
      throw overLimit(key, "the number of entries", UInt64(items.count), UInt64(limit))
    }
    return items
  }

  /// The error for a value under `key` that is not what it must be.
  func illegal(_ key: UInt64, _ defect: String) -> FormatError {
    FormatError(.illegal("key \(key) of \(path): \(defect)"), at: offset(of: key))
  }

  /// The error for a number under `key` that is over its cap.
  func overLimit(_ key: UInt64, _ what: String, _ found: UInt64, _ limit: UInt64) -> FormatError {
    FormatError(
      .overLimit("\(what) (key \(key) of \(path))", found: found, limit: limit),
      at: offset(of: key))
  }

  /// The error for a value under `key` that only a later version can read.
  func unsupported(_ key: UInt64, _ what: String) -> FormatError {
    FormatError(.unsupported(what), at: offset(of: key))
  }
}
