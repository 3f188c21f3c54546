/// A stretch of the target that resembles a stretch of the base of the same length.
package struct Cover: Equatable, Sendable {
  // A decoder holds all covers at once: 12 bytes each, not 24. Files are below 4 GiB.
  private let targetStart: UInt32
  private let baseStart: UInt32
  private let length: UInt32

  /// Creates a cover; the numbers are below 2^32.
  package init(target: Int, base: Int, count: Int) {
    targetStart = UInt32(target)
    baseStart = UInt32(base)
    length = UInt32(count)
  }

  /// Where it starts in the target.
  package var target: Int { Int(targetStart) }
  /// Where it starts in the base.
  package var base: Int { Int(baseStart) }
  /// How many bytes it is long; at least one.
  package var count: Int { Int(length) }

  /// What has to be added to a place in the target to find its counterpart in the base.
  package var diagonal: Int { base - target }
  /// Where the next uncovered byte of the target stands.
  package var targetEnd: Int { target + count }
  /// Where the base goes on.
  package var baseEnd: Int { base + count }
}
