internal import CodeReferences

/// Where an address of the base went, as far as both sides know.
package struct MappedAddress: Sendable {
  /// How the answer was found; the numbers are part of the format.
  package enum Source: Int, Sendable {
    /// A cover holds it.
    case covered = 0
    /// No cover holds it: a neighbour's distance is taken.
    case uncovered = 1
    /// It has no bytes in the file: its section's distance is taken.
    case unbacked = 2
    /// It is no address of the image.
    case outside = 3
    /// It was seen to go there.
    case learned = 4
    /// The nearest address below it was seen to go there.
    case near = 5
  }

  /// The likeliest answer.
  package var first: UInt64
  /// Another one; the same as `first` if there is none.
  package var second: UInt64
  /// How `first` was found.
  package var source: Source
}

/// The map from addresses of the base to addresses of the target.
///
/// It is made from the covers and the pairs of sections, and learns from every reference that was
/// foretold wrongly.
package struct AddressMap: Sendable {
  /// The nearest learned address below counts within this distance.
  private static let nearReach: UInt64 = 4096
  /// The same for addresses without bytes in the file, where nothing else is known.
  private static let unbackedReach: UInt64 = 1 << 20

  /// What is known without learning.
  package let pair: LayoutPair
  private var learned = LearnedAddresses()

  /// Makes the map of a pair of which nothing is learned yet.
  package init(_ pair: LayoutPair) { self.pair = pair }

  /// Returns where `address` went, what was learned included.
  package func mapped(_ address: UInt64) -> MappedAddress {
    var result = pair.known(address)
    guard let seen = learned.nearest(address) else { return result }
    if seen.old == address {
      result.second = result.first
      result.first = seen.new
      result.source = .learned
    } else if result.source != .covered,
      address &- seen.old
        <= (result.source == .unbacked ? Self.unbackedReach : Self.nearReach),
      pair.old.section(atAddress: seen.old) == pair.old.section(atAddress: address)
    {
      result.second = result.first
      result.first = address &+ (seen.new &- seen.old)
      result.source = .near
    }
    return result
  }

  /// Takes note that a reference to `address` was one to `target`, if that lies in the image.
  package mutating func learn(_ address: UInt64, _ target: UInt64) {
    guard pair.new.section(atAddress: target) != nil else { return }
    learned.learn(address, target)
  }
}
