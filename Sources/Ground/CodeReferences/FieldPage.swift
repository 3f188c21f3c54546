/// The kinds of 4096 bytes of a base.
package struct FieldPage: Sendable {
  /// How many bytes a page has.
  package static let byteCount = 4096

  /// Which page this is; -1 before it is filled.
  package internal(set) var index = -1
  /// The kind of each byte with its marks.
  package internal(set) var kinds = [UInt8](repeating: 0, count: Self.byteCount)
  /// For each four bytes of the page how many bytes after them their partner stands, 0 without one.
  package internal(set) var partners = [Int16](repeating: 0, count: Self.byteCount / 4)

  /// A page that is not filled.
  package init() {}

  /// Makes this the page `index`, about which nothing is known.
  mutating func reset(_ index: Int) {
    self.index = index
    var kinds = kinds.mutableSpan
    kinds.update(repeating: 0)
    var partners = partners.mutableSpan
    partners.update(repeating: 0)
  }
}

extension MutableSpan where Element == UInt8 {
  /// Gives `count` bytes at `offset`, which may begin before this span or end behind it, one kind, and
  /// marks the first of them.
  @inline(__always)
  mutating func paint(_ kind: ByteKind, at offset: Int, count length: Int) {
    if offset >= 0, offset < count { self[offset] = kind.rawValue | ByteKind.first }
    for index in max(offset &+ 1, 0)..<max(min(offset &+ length, count), max(offset &+ 1, 0)) {
      self[index] = kind.rawValue
    }
  }

  /// Marks the byte at `offset` as the start of something.
  @inline(__always)
  mutating func markStart(at offset: Int) {
    if offset >= 0, offset < count { self[offset] |= ByteKind.start }
  }
}
