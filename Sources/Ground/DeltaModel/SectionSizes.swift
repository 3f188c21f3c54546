internal import CodeReferences

/// What the sizes of allocated sections of the base became.
///
/// Sorted once: a table of hostile make may ask for as many sizes as there are records in it.
struct SectionSizes: Sendable {
  private struct Change {
    let old: UInt64
    let new: UInt64
    let section: Int
  }

  private var old: [UInt64] = []
  private var new: [UInt64] = []

  /// Gathers the sizes; of sections of one size the first counts that has a counterpart.
  init(_ map: AddressMap) {
    var changes: [Change] = []
    for (section, (header, counterpart)) in zip(map.pair.old.sections, map.pair.counterparts)
      .enumerated()
    where header.isAllocated && counterpart >= 0 {
      let size = map.pair.new.sections[Int(counterpart)].size
      changes.append(Change(old: header.size, new: size, section: section))
    }
    changes.sort { ($0.old, $0.section) < ($1.old, $1.section) }
    for change in changes where old.last != change.old {
      old.append(change.old)
      new.append(change.new)
    }
  }

  /// What became of the size `size`, or nil where no section has it.
  ///
  /// - Complexity: O(log n).
  func size(_ size: UInt64) -> UInt64? {
    var low = 0
    var high = old.count
    while low < high {
      let middle = (low + high) / 2
      if old[middle] < size { low = middle + 1 } else { high = middle }
    }
    return low < old.count && old[low] == size ? new[low] : nil
  }
}
