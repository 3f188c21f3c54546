/// The one rule for the names of modules, products and slots.
package enum PlainName {
  /// Longest name in bytes: `HITLESS_NAME_SIZE` less the terminating NUL.
  package static let sizeLimit = 31
  /// The rule in words, for messages.
  package static let rule = "[a-z0-9][a-z0-9._-]{0,30}, no dot at the end"

  /// Whether the bytes of a name match `[a-z0-9][a-z0-9._-]{0,30}` and do not end in a dot.
  ///
  /// Such a name is the same on every file system, is no path, and fits the note of a module.
  package static func isValid(_ name: some Collection<UInt8>) -> Bool {
    guard let first = name.first, isAlphanumeric(first), name.count <= sizeLimit else {
      return false
    }
    var last = first
    for byte in name {
      guard isAlphanumeric(byte) || isMark(byte) else { return false }
      last = byte
    }
    return last != UInt8(ascii: ".")
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func isMark(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
  }
}
