package import CodeReferences

/// The layouts of base and target, and what of the one is what of the other.
///
/// A class, because it never changes and is asked for each reference: as a part of what changes it would be copied for
/// each answer.
package final class LayoutPair: Sendable {
  let old: ElfLayout
  let new: ElfLayout
  /// For each section of the base its counterpart in the target, or -1.
  let counterparts: [Int32]
  let positions: PositionMap

  /// Makes the pair of an image whose section `i` became section `counterparts[i]`, or none if negative.
  package init(
    from old: ElfLayout, to new: ElfLayout, counterparts: [Int32], positions: PositionMap
  ) {
    self.old = old
    self.new = new
    self.counterparts = counterparts
    self.positions = positions
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
