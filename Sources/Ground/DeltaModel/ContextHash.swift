/// Makes one number out of the things a bit or byte depends on.
///
/// Contexts of different models never share a value by design, only by chance: each starts from a
/// number of its own.
package struct ContextHash: Sendable {
  /// The hash so far.
  package private(set) var value: UInt64

  /// Starts the context with the number `model`.
  @inline(__always)
  package init(_ model: Int) {
    value = UInt64(truncatingIfNeeded: model &+ 1) &* 0x9e37_79b9_7f4a_7c15
  }

  /// Returns the hash with `item` added to what it depends on.
  @inline(__always)
  package func with(_ item: Int) -> ContextHash {
    var next = self
    next.value = (value ^ UInt64(truncatingIfNeeded: item)) &* 0xd6e8_feb8_6659_fd93
    next.value ^= next.value >> 32
    return next
  }
}
