package import CodeReferences

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

  let old: ElfLayout
  let new: ElfLayout
  /// For each section of the base its counterpart in the target, or -1.
  let counterparts: [Int32]
  let positions: PositionMap
  private var learned = LearnedAddresses()

  /// Makes the map of an image whose section `i` became section `counterparts[i]`, or none if negative.
  package init(
    from old: ElfLayout, to new: ElfLayout, counterparts: [Int32], positions: PositionMap
  ) {
    self.old = old
    self.new = new
    self.counterparts = counterparts
    self.positions = positions
  }

  /// Returns where `address` went, what was learned included.
  package func mapped(_ address: UInt64) -> MappedAddress {
    var result = known(address)
    guard let seen = learned.nearest(address) else { return result }
    if seen.old == address {
      result.second = result.first
      result.first = seen.new
      result.source = .learned
    } else if result.source != .covered,
      address &- seen.old
        <= (result.source == .unbacked ? Self.unbackedReach : Self.nearReach),
      old.section(atAddress: seen.old) == old.section(atAddress: address)
    {
      result.second = result.first
      result.first = address &+ (seen.new &- seen.old)
      result.source = .near
    }
    return result
  }

  /// Takes note that a reference to `address` was one to `target`, if that lies in the image.
  package mutating func learn(_ address: UInt64, _ target: UInt64) {
    guard new.section(atAddress: target) != nil else { return }
    learned.learn(address, target)
  }

  /// Returns where `address` went by covers and sections alone.
  package func known(_ address: UInt64) -> MappedAddress {
    guard let section = old.section(atAddress: address) else {
      return beyond(address)
    }
    let offset = address &- old.address(of: section)
    guard !old.sections[section].hasNoBytes else {
      return only(start(of: section).map { $0 &+ offset } ?? address, .unbacked)
    }
    let place = Int(truncatingIfNeeded: old.sections[section].offset &+ offset)
    let index = positions.firstEnding(after: place)
    if index < positions.segments.count, Int(positions.segments[index].base) <= place,
      let found = new.address(ofOffset: place &+ Int(positions.segments[index].shift))
    {
      return only(found, .covered)
    }
    return neighbouring(place, index, section: section, offset: offset)
  }

  /// An address at the very end of a section goes to the end of its counterpart.
  private func beyond(_ address: UInt64) -> MappedAddress {
    guard address > 0, let section = old.section(atAddress: address &- 1) else {
      return only(address, .outside)
    }
    let counterpart = Int(counterparts[section])
    guard counterpart >= 0 else { return only(address, .outside) }
    let header = new.sections[counterpart]
    return only(new.address(of: counterpart) &+ header.size, .outside)
  }

  /// No cover has `place`: it moved as far as the covers around it, or as its section.
  private func neighbouring(
    _ place: Int, _ index: Int, section: Int, offset: UInt64
  ) -> MappedAddress {
    let header = old.sections[section]
    let start = Int(truncatingIfNeeded: header.offset)
    let end = start &+ Int(truncatingIfNeeded: header.size)
    var first: UInt64?
    var second: UInt64?
    if index > 0, Int(positions.segments[index - 1].end) > start {
      first = new.address(ofOffset: place &+ Int(positions.segments[index - 1].shift))
    }
    if index < positions.segments.count, Int(positions.segments[index].base) < end {
      second = new.address(ofOffset: place &+ Int(positions.segments[index].shift))
    }
    let third = self.start(of: section).map { $0 &+ offset }
    let best = first ?? second ?? third ?? offset &+ old.address(of: section)
    return MappedAddress(
      first: best, second: (first == nil ? nil : second) ?? third ?? best, source: .uncovered)
  }

  private func start(of section: Int) -> UInt64? {
    let counterpart = Int(counterparts[section])
    return counterpart >= 0 ? new.address(of: counterpart) : nil
  }

  private func only(_ address: UInt64, _ source: MappedAddress.Source) -> MappedAddress {
    MappedAddress(first: address, second: address, source: source)
  }
}
