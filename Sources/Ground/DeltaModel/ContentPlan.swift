internal import CodeReferences

/// In which order the contents of the target are coded.
///
/// That of the file, but for what follows from the rest, which comes last.
/// Every byte of the target outside of its frame is in exactly one unit.
struct ContentPlan: Sendable {
  /// A section, a part of one, or a gap between sections.
  struct Unit: Sendable {
    let range: Range<Int>
    /// The section of the target, or -1 for a gap.
    let section: Int
    let role: SectionRole
    /// What has to be added to a place to get its address.
    let slide: UInt64
    /// Bytes of a record, or 8.
    let period: Int
    /// Whether the contents may follow from other contents.
    fileprivate(set) var isDerived = false

    fileprivate init(
      _ range: Range<Int>, section: Int, role: SectionRole, slide: UInt64, period: Int
    ) {
      self.range = range
      self.section = section
      self.role = role
      self.slide = slide
      self.period = period
    }
  }

  let units: [Unit]

  /// Makes the plan for a target of `fileSize` bytes.
  init(_ layout: ElfLayout?, fileSize: Int) {
    guard let layout else {
      units = fileSize > 0 ? [Unit(gap: 0..<fileSize)] : []
      return
    }
    var units: [Unit] = []
    var place = 0
    for extent in layout.extents {
      Self.append(place..<max(place, extent.range.lowerBound), nil, layout, &units)
      Self.append(
        max(place, extent.range.lowerBound)..<max(place, extent.range.upperBound), extent.section,
        layout, &units)
      place = max(place, extent.range.upperBound)
    }
    Self.append(place..<max(place, fileSize), nil, layout, &units)
    Self.chooseDerived(layout, &units)
    self.units = units.filter { !$0.isDerived } + units.filter { $0.isDerived }
  }

  /// Longer tables are coded as they are: making one takes a few times its size in memory.
  private static let longestDerived = 2 << 20

  /// Says which units may follow from others: a whole table of frames and a whole GNU hash table, of
  /// either the one that comes first in the file, and no more, for making one may take a walk through
  /// all frames or all names.
  private static func chooseDerived(_ layout: ElfLayout, _ units: inout [Unit]) {
    var isFrameHeaderKnown = false
    var isHashKnown = false
    for index in units.indices where units[index].section >= 0 {
      let unit = units[index]
      guard layout.isWhole(unit.section) else { continue }
      if unit.role == .frameHeader, !isFrameHeaderKnown {
        isFrameHeaderKnown = true
        units[index].isDerived = unit.range.count <= longestDerived
      } else if unit.role == .hash, !isHashKnown,
        layout.sections[unit.section].type == SectionHeader.typeGNUHash
      {
        isHashKnown = true
        units[index].isDerived = unit.range.count <= longestDerived
      }
    }
  }

  /// Adds `range` but for what of it belongs to the frame.
  private static func append(
    _ range: Range<Int>, _ section: Int?, _ layout: ElfLayout, _ units: inout [Unit]
  ) {
    var place = range.lowerBound
    for frame in layout.frames where frame.overlaps(range) {
      if place < frame.lowerBound {
        units.append(Unit(place..<frame.lowerBound, section, layout))
      }
      place = max(place, frame.upperBound)
    }
    if place < range.upperBound { units.append(Unit(place..<range.upperBound, section, layout)) }
  }
}

extension ContentPlan.Unit {
  fileprivate init(gap range: Range<Int>) {
    self.init(range, section: -1, role: .gap, slide: 0, period: 8)
  }

  fileprivate init(_ range: Range<Int>, _ section: Int?, _ layout: ElfLayout) {
    guard let section else {
      self.init(gap: range)
      return
    }
    let role = layout.role(section)
    let header = layout.sections[section]
    let isTable = header.entrySize > 1 && header.entrySize <= 64
    self.init(
      range, section: section, role: role,
      slide: layout.address(of: section) &- header.offset,
      period: isTable ? Int(header.entrySize) : Self.period(role))
  }

  private static func period(_ role: SectionRole) -> Int {
    switch role {
    case .relocations, .symbols: 24
    case .dynamic, .plt: 16
    default: 8
    }
  }
}
